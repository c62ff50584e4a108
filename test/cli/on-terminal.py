# Runs a program on a terminal of its own: on-terminal.py COLUMNS ROWS PROGRAM [ARGUMENT...]
# What comes in is typed there, what is shown there goes out; exits as the program does.
import fcntl, os, pty, select, struct, sys, termios

columns, rows, *command = sys.argv[1:]
pid, master = pty.fork()
if pid == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack('HHHH', int(rows), int(columns), 0, 0))
    os.execvp(command[0], command)

watched = [0, master]
while True:
    ready, _, _ = select.select(watched, [], [])
    if master in ready:
        try:
            shown = os.read(master, 65536)
        except OSError:  # on Linux the end of all programs there
            shown = b''
        if not shown:
            break
        os.write(1, shown)
    if 0 in ready:
        typed = os.read(0, 65536)
        if typed:
            os.write(master, typed)
        else:
            watched.remove(0)

_, status = os.waitpid(pid, 0)
if os.WIFSIGNALED(status):
    sys.exit(128 + os.WTERMSIG(status))
sys.exit(os.WEXITSTATUS(status))
