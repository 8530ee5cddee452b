"""What journeys are made of: a served project, raw sockets, the real npm clients behind one Node process, a wire that can be cut."""
