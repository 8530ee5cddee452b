/** The recorded answers to the probe of surface_peer/ are still the real runtime's. */

import { holdAgainstRecording, withWorkerd } from "./real_workerd.mjs";

holdAgainstRecording("surface_peer", "surface.json", () => withWorkerd("surface_peer", [], (ask) => ask("/probe")));
