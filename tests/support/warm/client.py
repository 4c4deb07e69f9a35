"""What stands in the place of ``python``: it hands its arguments, environment, folder and files to ``serve.py``.

Its first lines, which name the interpreter and the socket, are written by ``python()``. It imports next to nothing.
"""

import _signal
import _socket
import os
import sys

arguments = sys.argv[1:]
if not arguments or (arguments[0][:1] == "-" and arguments[0] not in {"-m", "-c"}):
    os.execv(REAL, [REAL, *arguments])  # noqa: F821, S606 # an interpreter's options are the interpreter's business

connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
connection.connect(SOCKET)  # noqa: F821
given = [os.getcwdb(), b"%d" % len(arguments), *map(os.fsencode, arguments)]  # noqa: PTH109 - importing pathlib takes longer than all of this
given += [name + b"=" + value for name, value in os.environb.items()]
message = b"\0".join(given)
files = b"".join(number.to_bytes(4, sys.byteorder) for number in (0, 1, 2))
connection.sendmsg([b"%10d" % len(message)], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, files)])
for start in range(0, len(message), 60_000):
    connection.send(message[start : start + 60_000])
for number in (_signal.SIGTERM, _signal.SIGINT):
    _signal.signal(number, lambda received, _frame: connection.send(bytes([received])))
status = int(connection.recv(10) or b"-9")
if status < 0:
    _signal.signal(-status, _signal.SIG_DFL) if status != -_signal.SIGKILL else None
    os.kill(os.getpid(), -status)
os._exit(status)
