"""Makes the Debian packages of a finished build, in a folder of its own, and looks at their control fields and contents. The command
is run from the unpacked package. Installing them in a bare root takes root, a mirror and minutes: scripts/check-package.sh does it."""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TACET = os.environ["TACET_COMMAND"]
BUILD = pathlib.Path(sys.argv.pop(1) if len(sys.argv) > 1 else ROOT / "build" / "release").resolve()
NEEDED = ("cpack", "dpkg-deb", "dpkg-shlibdeps", "file", "objdump")


def run(*args, **options):
    return subprocess.run([str(a) for a in args], capture_output=True, text=True, check=True, timeout=500, **options).stdout


def fields(package):
    text = re.sub(r"\n ", " ", run("dpkg-deb", "-f", package))
    return dict(line.split(": ", 1) for line in text.splitlines() if line)


def names_in(depends):
    return {re.split(r"[ (|]", part.strip())[0] for part in depends.split(",")}


def owner(library):
    """The package that has the file. dpkg knows some by their place before /lib became a link to /usr/lib."""
    path = os.path.realpath(library)
    for name in (path, path.removeprefix("/usr")):
        found = subprocess.run(["dpkg", "-S", name], capture_output=True, text=True, check=False).stdout
        if found:
            return found.split(":")[0]
    return path


@unittest.skipIf(any(shutil.which(tool) is None for tool in NEEDED), "one of %s is missing" % ", ".join(NEEDED))
class Packages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        print("left out here: installing the packages in a bare root; scripts/check-package.sh does it, as root")
        cls.folder = pathlib.Path(tempfile.mkdtemp(prefix="tacet-package-"))
        cls.addClassCleanup(shutil.rmtree, cls.folder, True)
        made = subprocess.run(["cpack", "--config", BUILD / "CPackConfig.cmake", "-B", cls.folder / "made"], capture_output=True,
                              text=True, check=False, timeout=500, cwd=BUILD)
        if made.returncode != 0:
            raise AssertionError(made.stdout + made.stderr)
        cls.packages = {fields(p)["Package"]: p for p in (cls.folder / "made").glob("*.deb")}
        for name, package in cls.packages.items():
            run("dpkg-deb", "-x", package, cls.folder / name)

    def test_there_are_two(self):
        version = run(TACET, "--version").splitlines()[0]
        architecture = run("dpkg", "--print-architecture").strip()
        self.assertEqual({p.name for p in self.packages.values()},
                         {"%s_%s_%s.deb" % (name, version, architecture) for name in ("tacet", "libtacet-dev")})

    def test_the_command_depends_on_the_libraries_that_it_is_linked_with(self):
        given = fields(self.packages["tacet"])
        depends = names_in(given["Depends"])
        program = self.folder / "tacet" / "usr" / "bin" / "tacet"
        needed = set(re.findall(r"NEEDED +(\S+)", run("objdump", "-p", program)))
        self.assertGreater(len(needed), 5)
        owners = {owner(path) for name, path in re.findall(r"(\S+) => (/\S+)", run("ldd", program)) if name in needed}
        self.assertTrue(any(re.match(r"libtorch\d", name) for name in depends), given["Depends"])
        for name in depends - {"libopenblas0-openmp"}:
            self.assertIn(name, owners)
        self.assertIn("libopenblas0-openmp", depends)
        self.assertNotIn("libtorch-dev", depends)

    def test_descriptions(self):
        for package in self.packages.values():
            text = run("dpkg-deb", "-f", package, "Description")
            first, *rest = text.rstrip("\n").split("\n")
            self.assertEqual(first, "communication-efficient distributed and federated training")
            self.assertGreater(len(rest), 1)
            for line in rest:
                self.assertRegex(line, r"^ \S")

    def test_the_library_depends_on_what_its_cmake_package_looks_for(self):
        depends = names_in(fields(self.packages["libtacet-dev"])["Depends"])
        script = (ROOT / "scripts" / "install-packages.sh").read_text()
        for name in depends:
            self.assertRegex(script, r"(?m)[\s(]%s[\s)]" % re.escape(name), "a package that scripts/install-packages.sh doesn't know")
        looked_for = set(re.findall(r"find_dependency\((\w+)", (ROOT / "cmake" / "tacetConfig.cmake.in").read_text()))
        given_by = {"TorchCpu": "libtorch-dev", "OpenMP": None, "Threads": None, "nlohmann_json": "nlohmann-json3-dev",
                    "tomlplusplus": "libtomlplusplus-dev", "fmt": "libfmt-dev", "OpenSSL": "libssl-dev", "LibLZMA": "liblzma-dev",
                    "ZLIB": "zlib1g-dev", "PNG": "libpng-dev", "TIFF": "libtiff-dev", "GIF": "libgif-dev",
                    "Protobuf": "libprotobuf-dev", "CURL": "libcurl4-openssl-dev",
                    "LibArchive": "libarchive-dev", "CLI11": "libcli11-dev"}
        self.assertEqual(looked_for, set(given_by))
        self.assertLessEqual({name for name in given_by.values() if name}, depends)

    def test_every_recipe_header_and_page_is_there(self):
        def below(folder, pattern):
            return {str(p.relative_to(folder)) for p in folder.glob(pattern)}
        usr, dev = self.folder / "tacet" / "usr", self.folder / "libtacet-dev" / "usr"
        self.assertEqual(below(usr / "share/tacet/recipes", "*/*.toml"), below(ROOT / "recipes", "*/*.toml"))
        self.assertEqual(below(usr / "share/doc/tacet/docs", "**/*.md"), below(ROOT / "docs", "**/*.md"))
        self.assertEqual(below(dev / "include/tacet", "*.h"), below(ROOT / "include/tacet", "*.h"))
        self.assertEqual(below(dev / "share/doc/libtacet-dev/examples", "*"), below(ROOT / "examples", "*"))
        self.assertEqual(len(list(dev.glob("lib/**/tacetConfig.cmake"))), 1)
        for folder in (usr / "share/doc/tacet", dev / "share/doc/libtacet-dev"):
            self.assertIn("Apache License", (folder / "copyright").read_text())

    def test_manual_page_and_completions_are_the_commands_own(self):
        share = self.folder / "tacet" / "usr" / "share"
        for file, args in (("man/man1/tacet.1", ["manual"]), ("bash-completion/completions/tacet", ["completion", "bash"]),
                           ("zsh/vendor-completions/_tacet", ["completion", "zsh"]),
                           ("fish/vendor_completions.d/tacet.fish", ["completion", "fish"])):
            self.assertEqual((share / file).read_text(), run(TACET, *args), file)

    def test_the_unpacked_command_runs_with_its_recipes(self):
        usr = self.folder / "tacet" / "usr"
        text = run(usr / "bin" / "tacet", "train", usr / "share/tacet/recipes/demo/quickstart.toml", "--dry-run", cwd=self.folder)
        self.assertIn("awd-lstm", text)
        self.assertEqual(run(usr / "bin" / "tacet", "--version"), run(TACET, "--version"))

    def test_nothing_tells_where_it_was_built(self):
        for folder in self.packages:
            for path in (self.folder / folder).rglob("*"):
                if path.is_file() and path.suffix in (".cmake", ".1", ".fish", ".md", ".h", ""):
                    self.assertNotIn(str(BUILD).encode(), path.read_bytes(), path)
        for package in self.packages.values():
            owners = {line.split()[1] for line in run("dpkg-deb", "-c", package).splitlines()}
            self.assertEqual(owners, {"root/root"})


if __name__ == "__main__":
    unittest.main()
