#!/usr/bin/env python3
"""The chat in a real terminal (tmux), on terminals that can less (a pseudo-terminal), and through pipes; and
every exit code that docs/CLI.md lists.

Offline, on small models that model_factory makes; takes the program from FREEHOLD. Every check is a line of
output where it fails; exit 1 then.
"""

import os
import pathlib
import pty
import re
import select
import shlex
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time

PROGRAM = str(pathlib.Path(os.environ.get("FREEHOLD", "build/release/freehold")).resolve())
FACTORY = str(pathlib.Path(PROGRAM).with_name("model_factory"))
WAIT_S = 20  # this machine may be busy
FAILURES = []


def check(holds, what):
    if not holds:
        FAILURES.append(what)
        print("FAILED", what, flush=True)


def environment(**more):
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith("FREEHOLD") and name not in ("NO_COLOR", "TMUX", "TMUX_PANE")}
    return {**kept, "LC_ALL": "C.UTF-8", "FREEHOLD_HOME": str(WORK / "home"), "XDG_CONFIG_HOME": str(WORK), **more}


class Terminal:
    """A tmux server of its own with one window; what it runs is typed into a shell without history."""

    def __init__(self, columns=80, rows=24, **more):
        self.socket = str(WORK / f"tmux-{time.monotonic_ns()}")
        self.tmux("-f", "/dev/null", "new-session", "-d", "-x", str(columns), "-y", str(rows),
                  "bash --norc --noprofile", env=environment(HISTFILE="", **more))
        self.wait(r"[$#] ?\Z")

    def tmux(self, *words, env=None):
        return subprocess.run(["tmux", "-u", "-S", self.socket, *words], capture_output=True, text=True,
                              timeout=WAIT_S, env=env).stdout

    def keys(self, *keys):
        self.tmux("send-keys", "-t", ":0", *keys)

    def type(self, text, *keys):
        self.tmux("send-keys", "-t", ":0", "-l", "--", text)
        if keys:
            self.keys(*keys)

    def paste(self, text):
        self.tmux("set-buffer", "--", text)
        self.tmux("paste-buffer", "-p", "-t", ":0")

    def screen(self):
        return self.tmux("capture-pane", "-p", "-t", ":0").rstrip("\n")

    def last(self):
        return self.screen().split("\n")[-1]

    def wait(self, pattern, what=None):
        """The screen, as soon as `pattern` is found in it (^ and $ are those of lines)."""
        until = time.monotonic() + WAIT_S
        while time.monotonic() < until:
            shown = self.screen()
            if re.search(pattern, shown.rstrip(), re.M):
                return shown
            time.sleep(0.03)
        check(False, f"{what or 'the terminal'}: no {pattern!r} in:\n{shown}")
        return shown

    def chat(self, *words):
        self.clear()
        self.type(shlex.join([PROGRAM, "run", str(MODEL), *map(str, words)]) + "; echo left $?", "Enter")
        self.wait(r"^>>>\Z", "the chat begins")

    def clear(self):
        self.type("clear", "Enter")
        self.wait(r"\A[^\n]*[$#] ?\Z")

    def mode(self):
        """What stty says, by a second program in the same terminal."""
        tty = self.tmux("display-message", "-p", "-t", ":0", "#{pane_tty}").strip()
        return subprocess.run(["stty", "-F", tty, "-a"], capture_output=True, text=True).stdout

    def process(self):
        """The process id of the chat in this terminal."""
        shell = self.tmux("display-message", "-p", "-t", ":0", "#{pane_pid}").strip()
        children = pathlib.Path(f"/proc/{shell}/task/{shell}/children").read_text().split()
        return int(children[0])

    def close(self):
        self.tmux("kill-server")


def conversation():
    """Answers, commands and their near misses, saving and loading, the way out."""
    terminal = Terminal()
    before = terminal.mode()
    terminal.chat("-n", 8, "--seed", 3)
    check("-icanon" in terminal.mode(), "the chat edits lines itself")
    terminal.type("Hello", "Enter")
    terminal.wait(r">>> Hello\n(.+\n)+>>>\Z", "an answer, then the prompt")
    for typed, answer in (("/hlep", "did you mean /help"), ("/nonsense", "/help lists"), ("/set temprature 1", "did you mean temperature"),
                          ("/set context 5", "fixed when the model is loaded"), ("/set temperature hot", "not a number"),
                          ("/set temperature 0.5", "temperature is 0.5 now"), ("/set seed", "needs a value"),
                          ("/save ../x", "no name for a conversation"), ("/load nothing", "no conversation nothing"),
                          ("/show everything", "/show has no"), ("/set think maybe", "on or off"), ("/set verbose on", "verbose is on")):
        terminal.type(typed, "Enter")
        shown = terminal.wait(re.escape(answer), typed)
    terminal.tmux("clear-history", "-t", ":0")
    terminal.keys("C-l")
    terminal.type("/show", "Enter")
    shown = terminal.wait(r"^context  \d+ of \d+ tokens", "/show")
    check(re.search(r"messages 2\b", shown) and re.search(r"temperature +0\.5", shown), f"/show: {shown}")
    terminal.type("/save first", "Enter")
    terminal.wait("Saved", "/save")
    saved = WORK / "home/chats/first.json"
    check(stat.S_IMODE(saved.stat().st_mode) == 0o600, "a saved conversation is private")
    terminal.type("/clear", "Enter")
    terminal.wait("forgotten", "/clear")
    terminal.type("/load", "Enter")
    terminal.wait("^  first$", "/load lists")
    terminal.type("/load first", "Enter")
    terminal.wait("Loaded: 2 messages", "/load")
    terminal.type("/show messages", "Enter")
    terminal.wait(r"^\[user\] Hello$", "/show messages")
    terminal.keys("C-l")
    terminal.type("More", "Enter")
    terminal.wait(r"^prefill \d+ tokens, [\d.]+ tokens/s$", "/set verbose on")
    terminal.type("/compact", "Enter")
    terminal.wait(r"goes on from this summary.*of \d+|There is no summary", "/compact")
    terminal.type("/system Be brief.", "Enter")
    terminal.wait("The system prompt is set", "/system")
    terminal.type("/help", "Enter")
    terminal.wait(r"^/bye +leave", "/help")
    terminal.type("/bye", "Enter")
    terminal.wait(r"^left 0$", "/bye leaves with 0")
    check(terminal.mode() == before, "/bye restores the terminal")
    terminal.close()


def editing():
    """Keys, wide characters, many lines, paste, history over two chats, search, completion, a window that changes."""
    history = WORK / "home/chat-history"
    history.unlink(missing_ok=True)
    terminal = Terminal(columns=40)
    terminal.chat("-n", 4)

    def typed(expected, *keys):
        """What the line shows after `keys` (text where it is no key's name); the line is cleared then."""
        for key in keys:
            terminal.keys(key) if re.fullmatch(r"[CM]-\w|Left|Right|Up|Down|Home|End|BSpace|DC|Tab|C-Left|M-Enter", key) else terminal.type(key)
        terminal.wait(rf"^>>> {expected}\Z", f"{keys}")
        terminal.keys("C-c")
        terminal.wait(r"^>>>\Z", "Ctrl-C clears the line")
    typed("hello", "helo", "Left", "l")
    typed("日本語です", "日語です", "Left", "Left", "Left", "本")
    typed("e\u0301x", "e\u0301y", "BSpace", "x")
    typed("two", "one two", "Home", "DC", "DC", "DC", "DC")
    typed("one end", "one two three", "C-w", "C-w", "end")
    typed("XYZ", "abc", "C-u", "XYZ", "C-a", "C-e")
    typed("/clear", "/cl", "Tab")
    typed(r"first\n\.\.\. second", "first", "M-Enter", "second")
    wide = "x" * 34 + "日本" + "y" * 30
    typed(r"x{34}日\n本y{30}X", wide, "X")
    terminal.type("back \\", "Enter")
    terminal.wait(r"^\.\.\.\Z", "a line that goes on")
    terminal.type("slash", "Enter")
    terminal.wait(r">>> back\n\.\.\. slash\n(.*\n)*>>>\Z", "an answer to two lines")
    terminal.paste("pasted one\npasted two")
    terminal.wait(r"^>>> pasted one\n\.\.\. pasted two\Z", "a paste of two lines is no Enter")
    terminal.keys("Enter")
    terminal.wait(r"pasted two\n(.*\n)*>>>\Z", "and answered as one")
    terminal.tmux("resize-window", "-t", ":0", "-x", "100")
    typed("wide again", "wide again")
    terminal.type("a" * 60)
    terminal.wait(r"^>>> a{60}\Z")
    terminal.tmux("resize-window", "-t", ":0", "-x", "40")
    terminal.type("b")
    shown = terminal.wait(r"^>>> a{36}\na{24}b\Z", "a narrower window")
    terminal.keys("C-c", "C-d")
    terminal.wait(r"^left 0$", "Ctrl-D leaves")
    check(stat.S_IMODE(history.stat().st_mode) == 0o600, "the history is private")
    terminal.chat("-n", 4)
    typed(r"pasted one\n\.\.\. pasted two", "Up")
    typed(r"back ?\n\.\.\. slash", "Up", "Up", "Up")
    terminal.keys("C-r")
    terminal.type("sla")
    terminal.wait(r"^\(search: sla\) back", "Ctrl-R finds")
    terminal.keys("C-c", "C-d")
    terminal.wait(r"^left 0$")
    size = history.stat().st_size
    terminal.chat("-n", 4, "--history", "off")
    terminal.type("secret", "Enter")
    terminal.wait(r">>> secret\n(.*\n)*>>>\Z")
    terminal.keys("C-d")
    terminal.wait(r"^left 0$")
    check(history.stat().st_size == size, "--history off keeps nothing")
    terminal.close()


def interrupts():
    """Ctrl-C stops the answer and not the program; a chat that is stopped, continued or killed gives the terminal back."""
    terminal = Terminal()
    before = terminal.mode()

    def answering(*words):
        terminal.chat("--temperature", 0, "--logit-bias", f"{ENDLESS}=1000", "-c", 60000, *words)
        terminal.type("Go", "Enter")
        terminal.wait(r"e{40}", "a long answer")  # the question may have left the screen
        time.sleep(0.2)
    answering()
    check("-echo " in terminal.mode(), "what is typed into an answer is not shown")
    terminal.keys("C-c")
    terminal.wait(r"^>>>\Z", "Ctrl-C stops the answer")
    terminal.keys("C-c")
    terminal.keys("C-c")
    terminal.wait(r"^/bye or Ctrl-D leaves", "a second Ctrl-C explains")
    terminal.type("typed", "C-z")
    terminal.wait(r"Stopped", "Ctrl-Z stops the program")
    check(terminal.mode() == before, "a stopped chat gives the terminal back")
    terminal.type("fg", "Enter")
    terminal.wait(r"^>>> typed\Z", "the line is there again")
    terminal.keys("C-c", "C-d")
    terminal.wait(r"[$#] ?\Z", "Ctrl-D leaves")
    check(terminal.mode() == before, "the terminal after Ctrl-D")
    # Ctrl-\\ is a byte like others while a line is typed.
    for name, key, during in (("TERM", None, False), ("TERM", None, True), ("HUP", None, False), ("ABRT", None, True),
                              ("QUIT", "C-\\", True)):
        answering() if during else terminal.chat()
        if key:
            terminal.keys(key)
        else:
            os.kill(terminal.process(), getattr(signal, "SIG" + name))
        terminal.wait(rf"^left {128 + getattr(signal, 'SIG' + name)}$", f"SIG{name}")
        check(terminal.mode() == before, f"the terminal after SIG{name}{' in an answer' if during else ''}")
    terminal.close()


def bounds():
    """A context that is full says so and what next; forty columns; a chat without colours has no escapes beyond the editor's."""
    terminal = Terminal(columns=40, NO_COLOR="1")
    terminal.chat("-c", 64, "-t", 1)
    terminal.type("word " * 4, "Enter")
    terminal.wait(r"context of 64 tokens is full", "a full context")
    terminal.type("And more?", "Enter")
    terminal.wait(r"/compact makes room", "what next in a full context")
    terminal.type("/compact", "Enter")
    terminal.wait(r"room for a summary|from this summary|no summary", "/compact where there is no room")
    terminal.keys("C-l")
    terminal.type("/help", "Enter")
    shown = terminal.wait(r"^/bye ?$", "/help on 40 columns")
    terminal.keys("C-d")
    terminal.wait(r"^left 0$")
    terminal.close()


def pseudo_terminal(typed, **more):
    """(exit code, bytes) of a chat on a terminal whose every byte we see."""
    child, master = pty.fork()
    if child == 0:
        os.execve(PROGRAM, [PROGRAM, "run", str(MODEL), "-n", "4"], environment(**more))
    out = answered = b""
    pending = list(typed)
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until:
        # The next line goes out when the prompt for it has come.
        if pending and re.search(rb"(>>> |\.\.\. )(\x1b\[\d+[CD]|\r)*$", out[len(answered):]):
            answered = out
            os.write(master, pending.pop(0))
        if not select.select([master], [], [], 0.1)[0]:
            continue
        try:
            out += os.read(master, 65536)
        except OSError:  # how the end of a terminal looks
            break
    else:
        os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    os.close(master)
    return os.waitstatus_to_exitcode(status), out


def plain_terminals():
    """TERM=dumb gets plain lines and not one escape."""
    code, out = pseudo_terminal([b"Hello\n", b"one \\\n", b"two\n", b"/shwo\n", b"/bye\n"], TERM="dumb")
    check(code == 0 and b"\x1b" not in out, f"TERM=dumb: {code}, {out[-300:]}")
    check(b"did you mean /show" in out and b"... " in out, f"commands and long lines with TERM=dumb: {out[-300:]}")
    code, out = pseudo_terminal([b"Hello\r", b"\x04"], TERM="xterm")
    check(code == 0 and out.count(b"\x1b[?2004h") >= 1 and out.rstrip().endswith(b"\x1b[?2004l"), f"paste marks go off: {out[-80:]}")


def run(*words, text=None, stdin=subprocess.DEVNULL):
    done = subprocess.run([PROGRAM, *map(str, words)], input=text, stdin=None if text is not None else stdin,
                          capture_output=True, timeout=60, env=environment())
    return done.returncode, done.stdout, done.stderr.decode("utf-8", "replace")


def pipes():
    """Files and standard input come before the prompt; no escape goes into a pipe."""
    base = ("run", MODEL, "-n", 6, "--seed", 1)
    one, two = WORK / "one.txt", WORK / "two.txt"
    one.write_text("The first file.\n")
    two.write_text("The second")
    want = run(*base, "The first file.\nThe second\nAnd in the pipe.\nWhat differs?")
    got = run(*base, "--file", one, "--file", two, "What differs?", text=b"And in the pipe.")
    check(want[0] == 0 and got[:2] == want[:2], f"files, standard input, prompt: {got}")
    check(run(*base, "--file", one)[1] == run(*base, "The first file.\n")[1], "a file alone is the prompt")
    check(run(*base, "--file", WORK / "none.txt", "x")[0] == 3, "a file that is not there")
    check(run(*base, "--history", "maybe", "x")[0] == 2, "--history has two values")
    check(b"\x1b" not in got[1] and "\x1b" not in got[2], "no escapes in pipes")
    # A chat is for terminals: a pipe without a prompt is read whole.
    check(run(*base, text=b"/help")[1] == run(*base, "/help")[1], "a pipe holds no commands")


def exit_codes():
    """Each code that docs/CLI.md lists, by the program."""
    bad = WORK / "bad.gguf"
    bad.write_bytes(MODEL.read_bytes()[:100])
    blocked = WORK / "a-file"
    blocked.write_text("")
    codes = {0: run("version"), 2: run("run", MODEL, "x", "--temperature", "hot"), 3: run("show", "no-such-model"),
             4: run("run", MODEL, "-c", "8", "word " * 100), 5: run("show", bad)}
    codes[1] = (subprocess.run([PROGRAM, "version"], stdout=open("/dev/full", "wb"), stderr=subprocess.PIPE,
                               env=environment()).returncode, b"", "error: [1 failed]")
    slow = subprocess.Popen([PROGRAM, "run", str(MODEL), "--temperature", "0", "--logit-bias", f"{ENDLESS}=1000", "-c", "60000", "Go"],
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment(),
                            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    slow.stdout.read(1)
    slow.send_signal(signal.SIGINT)
    slow.communicate(timeout=WAIT_S)
    codes[130] = (slow.returncode, b"", "error: [130 interrupted]")
    listed = re.search(r"Exit codes: (.*)", " ".join(run("help")[1].decode().split())).group(1)
    listed = dict(re.findall(r"(\d+) ([a-z ]+)", listed))
    check(set(map(int, listed)) == set(codes), f"help lists {sorted(listed)}")
    for code, (got, _, err) in codes.items():
        check(got == code, f"exit {got} where {code} is documented: {err[:200]}")
        check(code == 0 or f"[{code} {listed[str(code)]}]" in err, f"the message says its code: {err[:200]}")


def configuration():
    """config changes one value and nothing else, and says which source wins; what it sets is what run uses."""
    file = WORK / "changed.toml"
    file.write_text("# Mine.\nseed = 1\n\n# Short.\n[run]\nmax-tokens = 4 # words\n")

    def config(code, *words, **more):
        done = subprocess.run([PROGRAM, "config", *words], capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL,
                              env=environment(FREEHOLD_CONFIG=str(file), **more))
        check(done.returncode == code, f"config {words}: exit {done.returncode}, expected {code}: {done.stderr[:200]}")
        return done.stdout + done.stderr
    config(0, "set", "run.max-tokens", "6")
    config(0, "set", "run.temperature", ".5")
    check(file.read_text() == "# Mine.\nseed = 1\n\n# Short.\n[run]\ntemperature = 0.5\nmax-tokens = 6 # words\n", file.read_text())
    done = subprocess.run([PROGRAM, "run", str(MODEL), "Hi"], capture_output=True, env=environment(FREEHOLD_CONFIG=str(file)),
                          stdin=subprocess.DEVNULL)
    check(done.stdout == run("run", MODEL, "Hi", "--seed", 1, "--temperature", 0.5, "-n", 6)[1], "run uses what config set")
    check(config(0, "get", "run.temperature") == "0.5\n" and "0.5" in config(0, "get", "run.temperature", "--json"), "config get")
    where = config(0, "where", "run.seed", FREEHOLD_SEED="7").split("\n")
    check(where[0].startswith("  command line") and where[1].startswith("* environment") and "FREEHOLD_SEED" in where[1]
          and where[2].startswith("  file") and "line 2" in where[2] and where[3].startswith("  default"), f"config where: {where}")
    check("wins" in config(0, "set", "seed", "2", FREEHOLD_SEED="7"), "a twin that wins is said")
    before = file.read_text()
    check("did you mean top-k" in config(2, "set", "top-kk", "3"), "a key that is none")
    config(2, "set", "temperature", "hot")
    config(2, "set", "verbose", "perhaps")
    config(2, "set", "pull.top-k", "3")
    config(2, "rename", "a", "b")
    config(3, "get", "top-p")
    check(file.read_text() == before, "what is refused changes nothing")
    config(0, "unset", "run.temperature")
    check("temperature" not in file.read_text() and "# Short." in file.read_text(), "config unset")


def endless_token():
    """A token that is plain text, to make answers that do not end by themselves."""
    out = subprocess.run([PROGRAM, "tokenize", str(MODEL), "e", "--json"], capture_output=True, text=True, check=True).stdout
    return re.findall(r"\d+", out)[0]


def main():
    global WORK, MODEL, ENDLESS
    with tempfile.TemporaryDirectory() as folder:
        WORK = pathlib.Path(folder)
        MODEL = WORK / "model.gguf"
        subprocess.run([FACTORY, str(MODEL), "--tokenizer", "bytes-bpe", "--layers", "2", "--width", "128", "--heads", "4",
                        "--kv-heads", "2", "--ffn", "256", "--vocab", "384", "--context", "65536", "--seed", "7"],
                       check=True, capture_output=True)
        ENDLESS = endless_token()
        pipes()
        exit_codes()
        configuration()
        plain_terminals()
        if shutil.which("tmux") is None:
            if FAILURES:
                return 1
            print("tmux is not installed: the chat in a real terminal was not tried")
            return 77
        for test in (conversation, editing, interrupts, bounds):
            started = time.monotonic()
            test()
            print(f"{test.__name__}: {time.monotonic() - started:.1f} s", flush=True)
    print(f"{len(FAILURES)} failures")
    return 1 if FAILURES else 0


if __name__ == "__main__":
    sys.exit(main())
