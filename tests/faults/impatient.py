"""agents-emu, except that a host that is silent for two seconds is stuck: nobody wants to wait for the minute that it really has."""

from emulator.__main__ import main
from emulator.gateway import hosts

hosts.PING_EVERY_S = 0.2
hosts.PING_WITHIN_S = 2.0
main()
