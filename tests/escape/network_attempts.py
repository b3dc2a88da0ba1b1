"""Attempts to get through the two openings in a closed network, to a secret that a web server outside tells anybody.

PROXY_PORT and GATEWAY_PORT lead to the openings; WEB_PORT is where that server listens, outside. Hosts that may be
reached: `allowed.example`, and the machine's own name, which leads inside.
"""

from __future__ import annotations

from attempts import Attempt

HELPERS = r"""
web = env["WEB_PORT"]
body = '{"model": "m", "input": "x"}'
key = "Authorization: Bearer " + env["OPENAI_API_KEY"] + "\r\nConnection: close\r\n"
def say(port, text):
    with socket.create_connection(("127.0.0.1", int(env[port])), 5) as opening:
        opening.settimeout(5)
        opening.sendall(text.encode("latin1"))
        answer = b""
        try:
            while piece := opening.recv(65536):
                answer += piece
        except OSError:
            pass
        return has_secret(answer)
def connect(host):
    return say("PROXY_PORT", f"CONNECT {host}:{web} HTTP/1.1\r\nHost: {host}\r\n\r\nGET / HTTP/1.0\r\n\r\n")
def get(address, more="", port="PROXY_PORT"):
    return say(port, f"GET {address} HTTP/1.1\r\nHost: x\r\n{more}\r\n")
def post(path, more=""):
    length = f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n"
    return say("GATEWAY_PORT", f"POST {path} HTTP/1.1\r\nHost: x\r\n{key}{length}{more}\r\n{body}")
"""


def _attempt(name: str, body: str, *, control: bool = False) -> Attempt:
    """`control`: it gets through where the user names the host."""
    return Attempt(name, HELPERS + body, control=control)


PROXY = [
    _attempt("straight", 'return has_secret(socket.create_connection(("127.0.0.1", int(web)), 3).recv(9))'),
    _attempt("connect_loopback", 'return connect("127.0.0.1")', control=True),
    _attempt("connect_localhost", 'return connect("localhost")', control=True),
    _attempt("connect_localhost_with_dot", 'return connect("LOCALHOST.")', control=True),
    _attempt("connect_name_that_leads_inside", "return connect(os.uname().nodename)"),
    _attempt("connect_any_address", 'return connect("0.0.0.0")'),
    _attempt("connect_ipv6_loopback", 'return connect("[::1]")'),
    _attempt("connect_mapped_address", 'return connect("[::ffff:127.0.0.1]")'),
    _attempt("connect_number", 'return connect("2130706433")'),
    _attempt("connect_hex", 'return connect("0x7f000001")'),
    _attempt("connect_octal", 'return connect("0177.0.0.1")'),
    _attempt("connect_short", 'return connect("127.1")'),
    _attempt("connect_user", 'return connect("allowed.example:443@127.0.0.1")'),
    _attempt("connect_two_hosts", 'return connect("allowed.example:443 127.0.0.1")'),
    _attempt("connect_line_break", r'return connect("allowed.example:443\r\nX: 127.0.0.1")'),
    _attempt("absolute_form", 'return get(f"http://127.0.0.1:{web}/")', control=True),
    _attempt("absolute_form_user", 'return get(f"http://allowed.example@127.0.0.1:{web}/")'),
    _attempt("absolute_form_fragment", 'return get(f"http://127.0.0.1:{web}#@allowed.example/")'),
    _attempt("absolute_form_backslash", r'return get(f"http://127.0.0.1:{web}\\@allowed.example/")'),
    _attempt("host_header", r'return get("/", f"Host: 127.0.0.1:{web}\r\n")'),
    _attempt(
        "second_request_on_a_connection",
        r"""
first = "GET http://allowed.example/ HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"
return say("PROXY_PORT", first + f"GET http://127.0.0.1:{web}/ HTTP/1.1\r\nHost: x\r\n\r\n")
""",
    ),
    _attempt(
        "request_hidden_behind_chunks",
        r"""
hidden = f"0\r\n\r\nGET http://127.0.0.1:{web}/ HTTP/1.1\r\nHost: x\r\n\r\n"
more = f"Content-Length: {len(hidden)}\r\nTransfer-Encoding: chunked\r\n"
return get("http://allowed.example/", more + "\r\n" + hidden)
""",
    ),
    _attempt("gateway_as_a_proxy", 'return get(f"http://127.0.0.1:{web}/", key, "GATEWAY_PORT")'),
    _attempt("gateway_to_a_host_in_its_path", 'return post(f"//127.0.0.1:{web}/v1/responses")'),
    _attempt("gateway_to_a_user_in_its_path", 'return post(f"/v1/@127.0.0.1:{web}/")'),
    _attempt("gateway_up_from_its_path", 'return get("/v1/models/../../", key, "GATEWAY_PORT")'),
    _attempt("gateway_up_from_its_coded_path", 'return get("/v1/models/%2e%2e/%2e%2e/", key, "GATEWAY_PORT")'),
    _attempt("gateway_with_another_host", r'return post("/v1/responses", f"Host: 127.0.0.1:{web}\r\n")'),
]

# The endpoint repeats the key that it is sent: in a header, in what it answers, in a stream.
KEY = [
    _attempt("key_from_a_reply", 'return post("/v1/responses")'),
    _attempt("key_from_a_list", 'return get("/v1/models", key, "GATEWAY_PORT")'),
    _attempt("key_from_the_stand_in", 'return has_secret(env["OPENAI_API_KEY"])'),
    _attempt(
        "key_from_the_bridge",
        """
for name in filter(str.isdigit, os.listdir("/proc")):
    for what in ("environ", "cmdline", "maps", "fd/0", "fd/3", "fd/4", "cwd/log.jsonl"):
        try:
            if has_secret(open(f"/proc/{name}/{what}", "rb").read(1 << 20)):
                return True
        except OSError:
            pass
""",
    ),
    _attempt(
        "key_from_the_bridges_memory",
        """
# The search itself is in our own memory.
others = [name for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]
for name in others:
    try:
        with open(f"/proc/{name}/mem", "rb", 0) as memory:
            for line in open(f"/proc/{name}/maps"):
                start, end = (int(each, 16) for each in line.split()[0].split("-"))
                if "rw" in line and end - start < 1 << 26:
                    memory.seek(start)
                    if has_secret(memory.read(end - start)):
                        return True
    except OSError:
        pass
""",
    ),
    _attempt("log_beside_the_bridge", 'return os.path.exists(env["LOG"])'),
    _attempt("replace_the_bridges_socket", 'os.unlink(env["SOCKETS"] + "/model")\nreturn True'),
    _attempt("add_a_socket_to_the_bridge", 'open(env["SOCKETS"] + "/new", "w")\nreturn True'),
]
