"""Attempts against other processes, and against the kernel."""

from __future__ import annotations

from attempts import Attempt

PROCESSES = [
    Attempt(
        "trace_harness",
        """
libc.ptrace.argtypes = [ctypes.c_long] * 4
if libc.ptrace(0x4206, PID, 0, 0):  # PTRACE_SEIZE
    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
return True
""",
    ),
    Attempt("kill_harness", "os.kill(PID, signal.SIGTERM)\nreturn True"),
    Attempt("kill_harness_by_descriptor", "signal.pidfd_send_signal(os.pidfd_open(PID), signal.SIGTERM)\nreturn True"),
    Attempt("slow_harness_down", "os.setpriority(os.PRIO_PROCESS, PID, 5)\nreturn True"),
    Attempt("pin_harness", "os.sched_setaffinity(PID, {min(os.sched_getaffinity(0))})\nreturn True"),
    Attempt("limit_harness", "resource.prlimit(PID, resource.RLIMIT_CORE, (0, 0))\nreturn True"),
    Attempt("raise_own_priority", "os.setpriority(os.PRIO_PROCESS, 0, -20)\nreturn True", root=True),
    Attempt(
        "real_time_priority",
        "os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))\nreturn True",
        control=False,  # kernels with group scheduling may refuse it to root, too
    ),
    Attempt(
        "raise_own_limits",
        """
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
return True
""",
    ),
    Attempt("take_harness_descriptor", "return call(438, os.pidfd_open(PID), 0, 0) >= 0"),
    Attempt("compare_kernel_objects", "return call(number(312, 272), os.getpid(), PID, 1, 0, 0) >= 0", control=False),
]

KERNEL = [
    Attempt(
        "regain_capabilities_by_unshare",
        """
if libc.unshare(0x10000000):
    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
return True
""",
        control=False,  # machines differ in who may
    ),
    Attempt(
        "regain_capabilities_by_clone",
        """
pid = call(number(56, 220), 0x10000000 | signal.SIGCHLD, 0, 0, 0, 0)
if pid == 0:
    os._exit(0)
return True
""",
        control=False,
    ),
    Attempt(
        "regain_capabilities_by_clone3",
        """
pid = call(435, struct.pack("Q" * 11, 0x10000000, 0, 0, 0, signal.SIGCHLD, 0, 0, 0, 0, 0, 0), 88)
if pid == 0:
    os._exit(0)
return True
""",
        control=False,
    ),
    Attempt(
        "join_harness_namespace",
        'return libc.setns(os.open(f"/proc/{PID}/ns/uts", os.O_RDONLY), 0) == 0',
        root=True,
    ),
    Attempt(
        "mount",
        'os.mkdir("m")\nreturn libc.mount(b"none", b"m", b"tmpfs", 0, None) == 0 and not libc.umount2(b"m", 2)',
        root=True,
    ),
    Attempt("new_mount_interface", 'return call(430, b"tmpfs", 0) >= 0', root=True),
    Attempt("chroot", 'os.chroot(".")\nreturn True', root=True),
    Attempt(
        "set_clock",
        "time.clock_settime(time.CLOCK_REALTIME, time.clock_gettime(time.CLOCK_REALTIME))\nreturn True",
        control=False,
    ),
    Attempt("adjust_clock", "return call(number(159, 171), ctypes.create_string_buffer(512)) >= 0"),
    Attempt("set_host_name", "socket.sethostname(socket.gethostname())\nreturn True", root=True),
    Attempt(
        "load_module",
        """
try:
    call(number(313, 273), os.memfd_create("module"), b"", 0)
except OSError as error:
    # It was looked at, and found not to be a module: whoever gets as far may load one that is.
    return error.errno not in (errno.EPERM, errno.ENOSYS)
""",
        control=False,  # kernels without modules say no to everybody
    ),
    Attempt(
        "count_hardware_events",
        """
event = bytearray(128)
event[0:8] = struct.pack("II", 1, 128)  # a software event, the task clock
return call(number(298, 241), bytes(event), 0, -1, -1, 0) >= 0
""",
        root=True,
    ),
    Attempt(
        "load_bpf",
        'return call(number(321, 280), 0, struct.pack("IIII", 2, 4, 4, 1) + bytes(104), 120) >= 0',
        root=True,
    ),
    Attempt("kernel_keys", "return call(number(250, 219), 0, -3, 1) != 0", control=False),
    Attempt("io_uring", "return call(425, 4, ctypes.create_string_buffer(120)) >= 0", control=False),
    Attempt("userfaultfd", "return call(number(323, 282), 1) >= 0", control=False),
    Attempt("foreign_architecture", "return call(number(0x40000000 + 39, 39 + 10**6)) > 0", control=False),
    Attempt("strange_personality", "return call(number(135, 92), 0x0008) >= 0"),
]
