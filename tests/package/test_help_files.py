"""The manual page and the completions have every subcommand and option of the help texts, and the shells take them. A shell that is
not installed is named, and its script is compared with the help only."""

import os
import re
import shutil
import subprocess
import unittest

TACET = os.environ["TACET_COMMAND"]
COMMANDS = (["train"], ["sweep"], ["compare"], ["report"], ["figure"], ["plan"], ["probe"],
            ["eval"], ["algorithms"], ["models"], ["data", "list"], ["data", "info"],
            ["data", "fetch"], ["launch"], ["doctor"], ["completion"], ["manual"])


def tacet(*args):
    return subprocess.run([TACET, *args], capture_output=True, text=True, timeout=60, check=True).stdout


def options_of(command):
    """The long options that a subcommand's help shows."""
    return set(re.findall(r"^  (?:-\w,)?(--[\w-]+)", tacet(*command, "--help"), re.M))


class Manual(unittest.TestCase):
    def test_every_subcommand_and_option_is_on_the_page(self):
        page = tacet("manual").replace("\\-", "-")
        self.assertEqual(set(re.findall(r"^  (\w+) +\w", tacet("--help").split("Subcommands:")[1].split("\n\n")[0], re.M)),
                         {command[0] for command in COMMANDS})
        for command in COMMANDS:
            section = re.search(r"^\.SS \\fBtacet %s\\fR[^\n]*\n(.*?)(?=^\.S[SH])" % " ".join(command), page, re.S | re.M).group(1)
            self.assertGreater(len(options_of(command)), 0)
            for option in options_of(command):
                self.assertIn("\\fB%s\\fR" % option, section)
        self.assertNotIn("--launched", page)
        self.assertIn("Exit codes", page)

    @unittest.skipUnless(shutil.which("groff"), "there is no groff")
    def test_groff_has_nothing_to_complain_about(self):
        ran = subprocess.run(["groff", "-man", "-Tutf8", "-Kutf8", "-ww"], input=tacet("manual"), capture_output=True, text=True,
                             timeout=60, check=False)
        self.assertEqual((ran.returncode, ran.stderr), (0, ""))
        self.assertIn("--dry-run", re.sub(r"\x1b\[[0-9;]*m|.\x08", "", ran.stdout))


class Completion(unittest.TestCase):
    def offered(self, *words):
        """What bash offers behind `tacet WORDS`, the last of which is being typed."""
        script = tacet("completion", "bash") + "COMP_WORDS=(tacet %s)\nCOMP_CWORD=%d\n_tacet\nprintf '%%s\\n' \"${COMPREPLY[@]}\"\n" % (
            " ".join("'%s'" % w for w in words), len(words))
        return set(subprocess.run(["bash", "--norc"], input=script, capture_output=True, text=True, timeout=60,
                                  check=True).stdout.split())

    def test_bash_offers_subcommands_and_options(self):
        self.assertEqual(self.offered("tr"), {"train"})
        self.assertLessEqual({c[0] for c in COMMANDS}, self.offered(""))
        self.assertEqual(self.offered("data", ""), {"list", "info", "fetch", "--help", "-h"})
        for command in COMMANDS:
            self.assertEqual({o for o in self.offered(*command, "--")}, options_of(command), command)
        self.assertEqual(self.offered("train", "rec"), set())  # bash then offers files

    def test_an_argument_that_is_named_as_a_subcommand_is_none(self):
        self.assertEqual(self.offered("compare", "train", "--j"), {"--json"})

    def test_zsh_and_fish_have_the_options_too(self):
        zsh, fish = tacet("completion", "zsh"), tacet("completion", "fish")
        for command in COMMANDS:
            line = re.search(r'^    "/%s"\) .*' % "/".join(command), zsh, re.M).group()
            for option in options_of(command):
                self.assertIn("'%s:" % option, line)
                self.assertRegex(fish, r"(?m)^complete -c tacet -n '__fish_seen_subcommand_from %s'.* -l %s\b"
                                 % ("; and __fish_seen_subcommand_from ".join(command), option[2:]))

    def test_the_shells_take_their_scripts(self):
        for shell in ("bash", "zsh", "fish"):
            if not shutil.which(shell):
                print("test_the_shells_take_their_scripts: %s left out, it is not installed" % shell)
                continue
            ran = subprocess.run([shell, "-n"], input=tacet("completion", shell), capture_output=True, text=True, timeout=60,
                                 check=False)
            self.assertEqual((ran.returncode, ran.stderr), (0, ""), shell)


if __name__ == "__main__":
    unittest.main()
