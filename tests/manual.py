#!/usr/bin/env python3
"""Help, manual pages, docs/commands and what `make install` puts where: all from the program's own tables.

Takes the program from FREEHOLD. Every check is a line of output where it fails; exit 1 then.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = str(pathlib.Path(os.environ.get("FREEHOLD", ROOT / "build/release/freehold")).resolve())
FAILURES = []


def check(holds, what):
    if not holds:
        FAILURES.append(what)
        print("FAILED", what, flush=True)


def run(*words, code=0):
    done = subprocess.run([PROGRAM, *map(str, words)], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=60, env={**os.environ, "FREEHOLD_HOME": str(WORK / "home")})
    check(done.returncode == code, f"{words}: exit {done.returncode}, expected {code}: {done.stderr[:300]}")
    return done.stdout


def commands():
    return re.findall(r"^  (\w+) {2,}\S", run("help"), re.M)


def markdown():
    """docs/commands is what the program writes today."""
    folder = WORK / "markdown"
    run("man", "--markdown", "--folder", folder)
    kept = ROOT / "docs/commands"
    names = {path.name for path in folder.iterdir()}
    check(names == {"README.md"} | {f"{name}.md" for name in commands()}, "a page for each command")
    old = {path.name for path in kept.glob("*")}
    stale = sorted(name for name in names | old
                   if name not in old or name not in names or (folder / name).read_text() != (kept / name).read_text())
    check(not stale, f"docs/commands is not current ({', '.join(stale)}): freehold man --markdown --folder docs/commands")


def pages():
    """man(1) reads every page without a warning, and each says all that help says."""
    folder = WORK / "man"
    run("man", "--folder", folder)
    for name in [None, *commands()]:
        page = folder / (f"freehold-{name}.1" if name else "freehold.1")
        check(page.read_text() == run("man", *([name] if name else [])), f"man --folder and man {name} agree")
        if shutil.which("groff") is None:
            continue
        shown = subprocess.run(["groff", "-man", "-Tutf8", "-ww", "-rLL=78n", "-P-cbou", page], capture_output=True)
        check(shown.returncode == 0 and not shown.stderr, f"{page.name}: {shown.stderr.decode()[:300]}")
        text = " ".join(shown.stdout.decode().replace("‐\n", "").split())
        check(all(str(code) in text for code in (0, 1, 2, 3, 4, 5, 130)), f"{page.name} says the exit codes")
        for option in re.findall(r"^ +(?:-\w, )?(--[\w-]+)", run("help", name), re.M) if name else []:
            check(option in text, f"{page.name} has {option}")
    if shutil.which("groff") is None:
        print("note: groff is not installed; that man reads the pages was not tried")
    run("man", "nonsense", code=2)
    run("man", "run", "--folder", folder, code=2)


def installed():
    """`make install` puts the program, its manual, its completion and its licence below PREFIX."""
    root = WORK / "root"
    done = subprocess.run(["make", "-s", "-o", "build", "install", f"BUILD={pathlib.Path(PROGRAM).parent}",
                           f"DESTDIR={root}", "PREFIX=/usr"], cwd=ROOT, capture_output=True, text=True, timeout=60)
    check(done.returncode == 0, f"make install: {done.stderr[:300]}")
    share = "usr/share"
    for name in ("usr/bin/freehold", f"{share}/man/man1/freehold.1", f"{share}/man/man1/freehold-run.1",
                 f"{share}/bash-completion/completions/freehold", f"{share}/zsh/site-functions/_freehold",
                 f"{share}/fish/vendor_completions.d/freehold.fish", f"{share}/doc/freehold/LICENSE",
                 f"{share}/doc/freehold/NOTICE"):
        path = root / name
        check(path.is_file() and path.stat().st_size > 0, f"make install puts {name}")
        check(name.startswith("usr/bin") == bool(path.stat().st_mode & 0o111), f"{name} has the right mode")


def package():
    """`make deb` makes a package that lintian has nothing against, with what a system needs computed."""
    if shutil.which("dpkg-deb") is None or shutil.which("dpkg-shlibdeps") is None:
        print("note: dpkg-dev is not installed; the package was not tried")
        return
    out = WORK / "deb"
    done = subprocess.run([ROOT / "packaging/make_deb", pathlib.Path(PROGRAM).parent, out], capture_output=True, text=True,
                          timeout=120)
    check(done.returncode == 0, f"make_deb: {done.stderr[:500]}")
    if done.returncode != 0:
        return
    package = done.stdout.split()[-1]

    def field(name):
        return subprocess.run(["dpkg-deb", "-f", package, name], capture_output=True, text=True).stdout.strip()
    version = run("version").split()[1].rstrip(",")
    check(field("Version") == version, f"the package is of version {field('Version')}, the program of {version}")
    check("libc6 (>=" in field("Depends") and "libcurl" in field("Depends"), f"dependencies: {field('Depends')}")
    listing = subprocess.run(["dpkg-deb", "-c", package], capture_output=True, text=True).stdout
    for name in ("./usr/bin/freehold", "./usr/share/man/man1/freehold-run.1.gz", "./usr/share/doc/freehold/copyright",
                 "./usr/share/doc/freehold/NOTICE", "./usr/share/zsh/vendor-completions/_freehold",
                 "./usr/share/bash-completion/completions/freehold"):
        check(re.search(rf" root/root .* {re.escape(name)}$", listing, re.M), f"the package holds {name}, of root's")
    if shutil.which("lintian") is None:
        print("note: lintian is not installed; its rules were not tried")
        return
    found = subprocess.run(["lintian", "--allow-root", "--fail-on", "error,warning", package], capture_output=True, text=True,
                           timeout=120)
    check(found.returncode == 0 and not found.stdout.strip(), f"lintian: {found.stdout[:1000]}{found.stderr[:300]}")


def main():
    global WORK
    with tempfile.TemporaryDirectory() as folder:
        WORK = pathlib.Path(folder)
        markdown()
        pages()
        installed()
        package()
    print(f"{len(FAILURES)} failures")
    return 1 if FAILURES else 0


if __name__ == "__main__":
    sys.exit(main())
