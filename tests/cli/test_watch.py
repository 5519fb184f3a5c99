"""tacet report --watch: the page of a run that goes on, who may see it, and how it ends. Left out, with a line, where tacet was built
without cpp-httplib."""

import json
import signal
import unittest
import urllib.error
import urllib.parse
import urllib.request

import program

LINE = {"event": "round", "round": 1, "iteration": 4, "epoch": 0.5, "seconds": 1, "communications": 1, "train_loss": 3}


class Watch(program.Case):
    def setUp(self):
        super().setUp()
        self.run_folder = self.path("run")
        program.os.makedirs(self.run_folder, exist_ok=True)
        self.add(1, mode="w")

    def add(self, round_, mode="a"):
        with open(self.path("run", "metrics.jsonl"), mode, encoding="utf-8") as f:
            f.write(json.dumps({**LINE, "round": round_, "iteration": 4 * round_}) + "\n")

    def serve(self, *words):
        """Starts the server and returns it with its address."""
        run = self.start("report", self.run_folder, "--watch", *words)
        found = []

        def told():
            text = program.os.pread(run.output.fileno(), 65536, 0).decode()  # moves no place at which the command writes
            if "needs cpp-httplib" in text:
                return True
            found[:] = [line for line in text.splitlines() if line.startswith("http://")]
            return bool(found)

        self.until("the server's address", told)
        if not found:
            run.wait()
            print("test_watch: left out, this tacet was built without cpp-httplib")
            self.skipTest("built without cpp-httplib")
        return run, found[0]

    def get(self, address, **headers):
        with urllib.request.urlopen(urllib.request.Request(address, headers=headers), timeout=30) as answer:
            return answer.read().decode()

    def refused(self, address, **headers):
        with self.assertRaises(urllib.error.HTTPError) as caught:
            self.get(address, **headers)
        self.assertEqual(caught.exception.code, 403)
        return caught.exception.read().decode()

    def end(self, run):
        program.os.kill(run.process.pid, signal.SIGTERM)
        self.assertEqual(run.wait(), 0, run.text())

    def test_a_page_follows_its_run_on_this_machine(self):
        run, address = self.serve()
        self.assertRegex(address, r"^http://127\.0\.0\.1:\d+/$")
        page, mark = self.get(address), self.get(address + "mark")
        self.assertIn('<meta name="tacet-live"', page)
        self.assertIn('<meta name="tacet-mark" content="%s">' % mark, page)
        self.assertEqual(self.get(address + "mark"), mark)
        self.add(2)
        self.assertNotEqual(self.get(address + "mark"), mark)
        rounds = json.loads(self.get(address).split('id="data">')[1].split("</script>")[0])["runs"][0]["rounds"]
        self.assertEqual(rounds["round"], [1, 2])
        # Another site's page that reaches this address by a name of its own is refused.
        self.assertIn("ask for it by localhost", self.refused(address, Host="example.org"))
        self.end(run)

    def test_other_machines_need_a_token(self):
        run, address = self.serve("--address", "0.0.0.0")
        query = urllib.parse.urlsplit(address).query
        self.assertRegex(query, r"^token=[0-9a-f]{32}$")
        port = urllib.parse.urlsplit(address).port
        here = "http://127.0.0.1:%d/" % port
        self.assertIn("add ?token=", self.refused(here))
        self.refused(here + "mark")
        self.refused(here + "?token=" + "0" * 32)
        self.assertIn('id="data"', self.get(here + "?" + query))
        self.assertIn('id="data"', self.get(here, Authorization="Bearer " + query[6:]))
        self.end(run)

    def test_mistakes(self):
        run, address = self.serve()
        port = str(urllib.parse.urlsplit(address).port)
        for words, said in ((["--watch", "--token", "a+b"], 'must have only letters, digits and -._~, as it stands in an address, got the string "a+b"'),
                            (["--watch", "--port", port], "must be an address of this machine and a free port, got 127.0.0.1 and " + port),
                            (["--watch", "--port", "0"], "--port"), (["--port", "8060"], "--watch"),
                            (["--watch", "-o", self.path("page.html")], "--output")):
            with self.subTest(words=words):
                done = self.tacet("report", self.run_folder, *words)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(said, done.stderr)
        self.assertEqual(self.tacet("report", self.path("nowhere"), "--watch").returncode, 2)
        self.end(run)


if __name__ == "__main__":
    unittest.main()
