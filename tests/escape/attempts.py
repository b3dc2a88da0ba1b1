"""Attempts to break out, each the body of a Python function that returns whether it got through."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Attempt:
    """One attempt.

    Attributes:
        name: what it tries.
        body: Python; the names it uses are in `field.PROLOGUE`.
        root: whether only root gets through where nothing confines it.
        control: whether it is harmless enough to be made without a sandbox, to show that it would work.
        beyond: sandboxes that cannot hold it, by their documentation.
    """

    name: str
    body: str
    root: bool = False
    control: bool = True
    beyond: tuple[str, ...] = ()


READING = [
    Attempt("read_home", 'return has_secret(open(env["HOME_SECRET"]).read())'),
    Attempt("read_sibling_worktree", 'return has_secret(open(env["SIBLING"]).read())'),
    Attempt("read_sibling_by_dots", 'return has_secret(open("../theirs/secret").read())'),
    Attempt("read_hidden_tests", 'return has_secret(open(env["HIDDEN"]).read())'),
    Attempt("read_through_symlink", 'os.symlink(env["HOME_SECRET"], "l")\nreturn has_secret(open("l").read())'),
    Attempt("read_through_hard_link", 'os.link(env["HOME_SECRET"], "l")\nreturn has_secret(open("l").read())'),
    Attempt("read_through_own_root", 'return has_secret(open("/proc/self/root" + env["HOME_SECRET"]).read())'),
    Attempt("read_harness_environment", 'return has_secret(open(f"/proc/{PID}/environ").read())'),
    Attempt(
        "search_all_environments",
        """
for name in os.listdir("/proc"):
    try:
        # Put together here, so as not to find this very text.
        if name.isdigit() and has_secret(open(f"/proc/{name}/environ", "rb").read()):
            return True
    except OSError:
        pass
""",
    ),
    Attempt("read_through_harness_root", 'return has_secret(open(f"/proc/{PID}/root" + env["HOME_SECRET"]).read())'),
    Attempt("read_through_harness_folder", 'return has_secret(open(f"/proc/{PID}/cwd/secret").read())'),
    Attempt("read_through_harness_descriptor", 'return has_secret(open(f"/proc/{PID}/fd/0").read())'),
    Attempt("read_harness_memory", 'open(f"/proc/{PID}/mem", "rb")\nreturn True'),
    Attempt(
        "process_vm_readv",
        """
start = next(int(line.split("-")[0], 16) for line in open(f"/proc/{PID}/maps") if "r" in line.split()[1])
buffer = ctypes.create_string_buffer(64)
local, remote = struct.pack("QQ", ctypes.addressof(buffer), 64), struct.pack("QQ", start, 64)
return call(number(310, 270), PID, local, 1, remote, 1, 0) > 0
""",
    ),
    Attempt("read_shadow", 'return ":" in open("/etc/shadow").read()', root=True),
    Attempt(
        "open_by_handle",
        """
def handle_of(path):
    handle, mount = bytearray(struct.pack("Ii", 128, 0) + bytes(128)), ctypes.c_int()
    raw = (ctypes.c_char * len(handle)).from_buffer(handle)
    call(number(303, 264), -100, os.fsencode(path), raw, ctypes.byref(mount), 0)
    return raw
# Any folder on the same disk does as a place to start from.
opened = call(number(304, 265), os.open(".", os.O_RDONLY), handle_of(env["HOME_SECRET"]), os.O_RDONLY)
return has_secret(os.read(opened, 100))
""",
        root=True,
    ),
    Attempt(
        "program_from_memory",
        """
memory = os.memfd_create("cat", 0)
os.write(memory, open("/bin/cat", "rb").read())
done = subprocess.run([f"/proc/self/fd/{memory}", env["HOME_SECRET"]], pass_fds=[memory], capture_output=True)
return has_secret(done.stdout)
""",
    ),
    Attempt(
        "own_disk_device",
        """
major, minor = os.major(os.stat(".").st_dev), os.minor(os.stat(".").st_dev)
os.mknod("disk", 0o600 | stat.S_IFBLK, os.makedev(major, minor))
return True
""",
        root=True,
    ),
    Attempt(
        "list_other_shared_memory",
        """
return os.path.exists("/dev/shm/" + env["SHM"]) and env["SHM"] in os.listdir("/dev/shm")
""",
    ),
]

WRITING = [
    Attempt("write_outside", 'open(env["OUTSIDE"] + "/new", "w").write("x")\nreturn True'),
    Attempt("write_readable", 'open(env["READABLE"], "a").write("x")\nreturn True'),
    Attempt("write_beside_readable", 'open(env["READABLE"] + "2", "w").write("x")\nreturn True'),
    Attempt("write_by_dots", 'open("../theirs/new", "w").write("x")\nreturn True'),
    Attempt("write_through_symlink", 'os.symlink(env["READABLE"], "l")\nopen("l", "a").write("x")\nreturn True'),
    Attempt("write_through_hard_link", 'os.link(env["READABLE"], "l")\nopen("l", "a").write("x")\nreturn True'),
    Attempt(
        "write_through_reopened_descriptor",
        """
opened = os.open(env["READABLE"], os.O_RDONLY)
os.write(os.open(f"/proc/self/fd/{opened}", os.O_WRONLY | os.O_APPEND), b"x")
return True
""",
    ),
    Attempt("write_through_harness_root", 'open(f"/proc/{PID}/root{env[\'READABLE\']}", "a").write("x")\nreturn True'),
    Attempt("truncate_readable", 'os.truncate(env["READABLE"], 0)\nreturn True'),
    Attempt("remove_readable", 'os.unlink(env["READABLE"])\nreturn True'),
    Attempt("rename_readable_into_worktree", 'os.rename(env["READABLE"], "mine")\nreturn True'),
    Attempt("change_mode", 'os.chmod(env["READABLE"], 0o600)\nreturn True', beyond=("landlock-only",)),
    Attempt("change_times", 'os.utime(env["READABLE"], (1, 1))\nreturn True', beyond=("landlock-only",)),
    Attempt("change_owner", 'os.chown(env["READABLE"], os.getuid(), os.getgid())\nreturn True'),
    Attempt("set_attribute", 'os.setxattr(env["READABLE"], "user.x", b"x")\nreturn True'),
    Attempt(
        "bind_mount_over_outside",
        """
if libc.mount(b".", os.fsencode(env["OUTSIDE"]), None, 4096, None):
    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
libc.umount2(os.fsencode(env["OUTSIDE"]), 2)
return True
""",
        root=True,
    ),
    Attempt(
        "remount_writable",
        """
folder = os.path.dirname(env["READABLE"])
libc.mount(b"none", os.fsencode(folder), None, 32 | 4096, None)
open(env["READABLE"], "a").write("x")
return True
""",
    ),
    Attempt(
        "set_machine_parameter",
        'p="/proc/sys/vm/swappiness"\nv=open(p).read()\nopen(p,"w").write(v)\nreturn True',
        root=True,
    ),
    Attempt(
        "set_device_parameter",
        """
path = "/sys/kernel/mm/transparent_hugepage/khugepaged/defrag"
value = open(path).read()
open(path, "w").write(value)
return True
""",
        root=True,
    ),
    Attempt(
        "make_a_cgroup",
        """
parents = [entry.path for entry in os.scandir("/sys/fs/cgroup") if entry.is_dir()]
for parent in [*parents, "/sys/fs/cgroup"]:
    try:
        os.mkdir(parent + "/escape-attempt")
    except OSError:
        continue
    os.rmdir(parent + "/escape-attempt")
    return True
""",
        control=False,
    ),
]

NETWORK = [
    Attempt(
        "tcp_loopback",
        'return has_secret(socket.create_connection(("127.0.0.1", int(env["TCP_PORT"])), 2).recv(100))',
    ),
    Attempt(
        "udp_loopback",
        """
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
    probe.settimeout(1)
    probe.sendto(b"?", ("127.0.0.1", int(env["UDP_PORT"])))
    return has_secret(probe.recv(100))
""",
    ),
    Attempt(
        "leave_by_another_interface",
        """
# Interfaces beside the loopback are ways out.
return any(name != "lo" for _, name in socket.if_nameindex())
""",
        control=False,
    ),
    Attempt(
        "route_to_the_world",
        """
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
    probe.connect(("192.0.2.1", 9))
return True
""",
        control=False,
    ),
    Attempt(
        "unix_socket",
        """
with socket.socket(socket.AF_UNIX) as probe:
    os.chdir(os.path.dirname(env["UNIX_SOCKET"]))
    probe.connect(os.path.basename(env["UNIX_SOCKET"]))
    return has_secret(probe.recv(100))
""",
    ),
    Attempt(
        "abstract_socket",
        """
with socket.socket(socket.AF_UNIX) as probe:
    probe.settimeout(2)
    probe.connect(b"\\0" + env["ABSTRACT_SOCKET"].encode())
    return has_secret(probe.recv(100))
""",
    ),
    Attempt("raw_packets", "socket.socket(socket.AF_PACKET, socket.SOCK_RAW)\nreturn True", root=True),
    Attempt("virtual_machine_socket", "socket.socket(40, socket.SOCK_STREAM)\nreturn True", control=False),
]
