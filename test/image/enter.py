"""Becomes PROGRAM in the root folder ROOT as a container runtime would start it: root with CAP_NET_ADMIN and nothing else.

usage: enter.py ROOT PROGRAM [ARGUMENT...], with the environment of the image
"""

import ctypes
import os
import sys

PR_CAPBSET_READ, PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 23, 24, 38
CAP_NET_ADMIN = 12

root, *command = sys.argv[1:]
libc = ctypes.CDLL(None, use_errno=True)
os.chroot(root)
os.chdir("/")
capability = 0
while libc.prctl(PR_CAPBSET_READ, capability, 0, 0, 0) >= 0:
    if capability != CAP_NET_ADMIN and libc.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
        sys.exit(f"cannot drop capability {capability}: {os.strerror(ctypes.get_errno())}")
    capability += 1
libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
os.execve(command[0], command, dict(os.environ))
