"""System call numbers, x86_64 and aarch64, of what a confined command may not do, and why.

None where a machine does not have the call.
"""

from __future__ import annotations

Numbers = tuple[int | None, int | None]

# Refused with EPERM, whatever the arguments.
FORBIDDEN: dict[str, Numbers] = {
    # reaching into other processes
    "ptrace": (101, 117),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "process_madvise": (440, 440),
    "process_mrelease": (448, 448),
    "pidfd_getfd": (438, 438),
    "kcmp": (312, 272),
    # wide doors into the kernel that measured code has no use for
    "perf_event_open": (298, 241),
    "bpf": (321, 280),
    "userfaultfd": (323, 282),
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
    "fanotify_init": (300, 262),
    "lookup_dcookie": (212, 18),
    "modify_ldt": (154, None),
    "iopl": (172, None),
    "ioperm": (173, None),
    # the tree as it is mounted, and handles that go round it
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "chroot": (161, 51),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    "open_by_handle_at": (304, 265),
    # other namespaces
    "setns": (308, 268),
    # the machine: its clocks, names, modules, swap, accounts
    "clock_settime": (227, 112),
    "clock_adjtime": (305, 266),
    "adjtimex": (159, 171),
    "settimeofday": (164, 170),
    "sethostname": (170, 161),
    "setdomainname": (171, 162),
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "syslog": (103, 116),
    "vhangup": (153, 58),
    "nfsservctl": (180, 42),
}

# Answered with ENOSYS, so that programs take their other way: io_uring does what filters cannot see, and the
# flags of clone3 lie in memory, where a filter cannot look; glibc then falls back to clone.
ABSENT: dict[str, Numbers] = {
    "clone3": (435, 435),
    "io_uring_setup": (425, 425),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
}

# Refused too where the command shares the machine's mounts and process numbers. Landlock has no say over
# owners and attributes of files; a changed owner or attribute outside would be a mark left there.
FORBIDDEN_WITHOUT_NAMESPACES: dict[str, Numbers] = {
    "chown": (92, None),
    "lchown": (94, None),
    "fchown": (93, 55),
    "fchownat": (260, 54),
    "setxattr": (188, 5),
    "lsetxattr": (189, 6),
    "fsetxattr": (190, 7),
    "removexattr": (197, 14),
    "lremovexattr": (198, 15),
    "fremovexattr": (199, 16),
    "setxattrat": (463, 463),
    "removexattrat": (466, 466),
    "migrate_pages": (256, 238),
    "move_pages": (279, 239),
}

# There answered with ENOSYS, as by a kernel without them: what they make is the whole machine's, and stays when the
# command and all it started have ended.
ABSENT_WITHOUT_NAMESPACES: dict[str, Numbers] = {
    "shmget": (29, 194),
    "semget": (64, 190),
    "msgget": (68, 186),
    "mq_open": (240, 180),
}

# Refused to timed code that shares the machine's mounts: it could take the base's files, or anything of the user's,
# out of use. Not to builds and tests, which copy files with their modes.
MODES: dict[str, Numbers] = {
    "chmod": (90, None),
    "fchmod": (91, 52),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
}

# There, these may be used on the caller alone: arguments (by index) that must have these values. Zero is the
# caller; priorities are set for one process (0, and 1 for ioprio), not for all of a user's.
OWN_PROCESS_ONLY: dict[str, tuple[Numbers, tuple[tuple[int, int], ...]]] = {
    "setpriority": ((141, 140), ((0, 0), (1, 0))),
    "ioprio_set": ((251, 30), ((0, 1), (1, 0))),
    "sched_setparam": ((142, 118), ((0, 0),)),
    "sched_setscheduler": ((144, 119), ((0, 0),)),
    "sched_setaffinity": ((203, 122), ((0, 0),)),
    "sched_setattr": ((314, 274), ((0, 0),)),
    "prlimit64": ((302, 261), ((0, 0),)),
}

CLONE: Numbers = (56, 220)
UNSHARE: Numbers = (272, 97)
SOCKET: Numbers = (41, 198)
IOCTL: Numbers = (16, 29)
PERSONALITY: Numbers = (135, 92)
# Children whose end is ignored are not waited for, and the kernel adds their CPU time to nobody's.
SIGACTION: Numbers = (13, 134)
