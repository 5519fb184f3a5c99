#!/usr/bin/env bash
# Opens the pages that tacet_report_pages writes in headless Chromium, at desk width and in a frame of 360 px, and checks what only a
# browser can: no error, the expected drawings, nothing that came from a run's name, no sideways scrolling, no request to anywhere.
# Usage: page_check.sh TACET_REPORT_PAGES_PROGRAM. Exit code 77 (skipped) when there is no Chromium.
set -euo pipefail

browser=$(command -v chromium || command -v chromium-browser || command -v google-chrome || true)
if [[ -z $browser ]]; then
  echo "skipped: no chromium, chromium-browser or google-chrome in PATH; the report page is not opened in a browser"
  exit 77
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$1" "$folder" > "$folder/compare.txt"

# Runs before the page's own scripts: gathers errors.
cat > "$folder/head.html" << 'HEAD'
<script>
window.problems = [];
window.addEventListener('error', (e) => problems.push('error: ' + (e.message || 'a resource did not load')), true);
window.addEventListener('unhandledrejection', (e) => problems.push('rejected: ' + e.reason));
document.addEventListener('securitypolicyviolation', (e) => problems.push('blocked: ' + e.blockedURI));
for (const kind of ['error', 'warn']) console[kind] = (...words) => problems.push(`console.${kind}: ${words.join(' ')}`);
// The browser's virtual time would run out while a Blob or a picture is on its way: these ticks hold it up until all is told.
window.ticks = setInterval(() => {}, 1);
window.alert = (text) => problems.push('alert ' + text);
</script>
HEAD

# Runs after them: works every control, then tells the frame around it what it found.
cat > "$folder/tail.html" << 'TAIL'
<script>
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
(async () => {
  const found = {};
  try {
    await wait(100);
    const canvases = () => document.querySelectorAll('canvas').length;
    const inked = () => [...document.querySelectorAll('canvas')].filter((c) => {
      const pixels = c.getContext('2d').getImageData(0, 0, c.width, c.height).data;
      for (let k = 3; k < pixels.length; k += 4) if (pixels[k] > 0) return true;
      return false;
    }).length;
    found.canvases = canvases();
    found.inked = inked();
    const names = new Set([...document.querySelectorAll('fieldset input')].map((i) => i.name));
    found.choices = [...names].sort().join(' ');
    for (const name of names) {
      const values = [...document.querySelectorAll(`input[name="${name}"]`)].map((i) => i.value);
      for (const value of [...values, values[0]]) {
        document.querySelector(`input[name="${name}"][value="${value}"]`)?.click();
        await wait(10);
        if (canvases() !== found.canvases) problems.push(`${name}=${value} left ${canvases()} canvases`);
      }
    }
    for (const button of document.querySelectorAll('.runs button')) button.click();
    await wait(20);
    found.canvasesHidden = canvases();
    for (const button of document.querySelectorAll('.runs button')) button.click();
    await wait(20);
    const plot = document.querySelector('#figure-train .plot[tabindex]');
    if (plot) {
      plot.focus();
      for (const key of ['Home', 'ArrowRight', 'ArrowRight']) plot.dispatchEvent(new KeyboardEvent('keydown', { key }));
      await wait(20);
      found.tip = plot.querySelector('.tip').children.length;
      found.spoken = document.getElementById('live').textContent.length > 0;
      plot.dispatchEvent(new KeyboardEvent('keydown', { key: '+' }));
      await wait(20);
      found.zoomed = !document.getElementById('unzoom').hidden;
      document.querySelector('input[name="theme"]:not(:checked)').click();
      await wait(20);
      found.staysZoomed = !document.getElementById('unzoom').hidden;
      document.getElementById('unzoom').click();
      await wait(20);
      found.unzoomed = document.getElementById('unzoom').hidden;
    }
    // fetch is forbidden to the page, so the Blobs are caught where the page makes them.
    const made = (index) => new Promise((done) => {
      const make = URL.createObjectURL;
      URL.createObjectURL = (blob) => { URL.createObjectURL = make; done(blob); return make.call(URL, blob); };
      document.querySelectorAll('#figure-train .downloads button')[index].click();
      setTimeout(() => { URL.createObjectURL = make; done(null); }, 5000);
    });
    const csv = await (await made(0)).text();
    if (!csv.startsWith('run,round,') || !csv.split('\n')[0].endsWith(',train_loss')) problems.push(`CSV begins with ${csv.slice(0, 40)}`);
    if (found.canvases) {
      const svg = new DOMParser().parseFromString(await (await made(1)).text(), 'image/svg+xml');
      found.svgLines = svg.querySelectorAll('path.line').length;
      found.svgBands = svg.querySelectorAll('path.band').length;
      const png = await made(2), head = png ? new Uint8Array(await png.slice(0, 4).arrayBuffer()) : [];
      found.png = String.fromCharCode(...head.slice(1)) === 'PNG';
      const target = document.querySelector('#figure-train input.target');
      target.value = '5';
      target.dispatchEvent(new Event('change'));
      found.target = (document.querySelector('#figure-train figcaption').textContent.match(/\d+ of \d+ lines reach 5/) || [''])[0];
    }
    found.csvRows = csv.split('\n').length - 2;
    found.pairs = document.querySelectorAll('#figure-smoothness svg circle').length;
    found.finals = document.querySelectorAll('#figure-final svg path.line').length;
    document.querySelectorAll('details').forEach((d) => { d.open = true; });
    await wait(20);
    found.overflow = document.documentElement.scrollWidth - document.documentElement.clientWidth;
    found.images = document.images.length + document.querySelectorAll('svg[onload], [onerror], [onclick]').length;
    found.scripts = document.scripts.length;
    found.requests = performance.getEntriesByType('resource').map((e) => e.name).filter((n) => !n.startsWith('data:') && !n.startsWith('blob:')).length;
  } catch (error) {
    problems.push('check: ' + error);
  }
  parent.postMessage(JSON.stringify({ ...found, problems }), '*');
  clearInterval(window.ticks);
})();
</script>
TAIL

failures=0
# check PAGE WIDTH EXPECTED…: each EXPECTED is key=value of what tail.html finds; lists of problems must be empty.
check() {
  local page=$1 width=$2
  shift 2
  sed -e "/<meta charset/r $folder/head.html" -e "/^<\/body>/{
r $folder/tail.html
}" "$folder/$page.html" > "$folder/$page.checked.html"
  cat > "$folder/frame.html" << FRAME
<!DOCTYPE html><body><pre id="found"></pre><iframe src="$page.checked.html" style="width:${width}px;height:1600px;border:0"></iframe>
<script>addEventListener('message', (e) => { document.getElementById('found').textContent = e.data; });</script></body>
FRAME
  local profile found
  profile=$(mktemp -d)
  found=$(timeout 90 "$browser" --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
    --disable-component-update --disable-sync --hide-scrollbars --user-data-dir="$profile" --window-size=1300,1700 \
    --virtual-time-budget=600000 --dump-dom "file://$folder/frame.html" 2> "$folder/browser.log" |
    sed -n 's/.*<pre id="found">\(.*\)<\/pre>.*/\1/p') || true
  rm -rf "$profile"
  if [[ -z $found ]]; then
    echo "FAILED $page at $width px: the page reported nothing"
    tail -n 5 "$folder/browser.log"
    failures=$((failures + 1))
    return
  fi
  local expected verdict=passed
  for expected in "$@" overflow=0 images=0 requests=0 'problems=[]'; do
    local key=${expected%%=*} value=${expected#*=}
    if [[ $found != *"\"$key\":$value"[,}]* ]]; then
      echo "  expected $key=$value"
      verdict=FAILED
    fi
  done
  echo "$verdict $page at $width px: $found"
  if [[ $verdict == FAILED ]]; then failures=$((failures + 1)); fi
}

# opens PAGE MILLISECONDS: the best of three times from the begin of the page to the end of its first drawing, which its script marks.
# Here the browser's clock is the real one.
opens() {
  local page=$1 limit=$2 best=999999 took k profile
  sed -e "/^<\/body>/i <script>document.body.append(Object.assign(document.createElement('pre'), { id: 'opened', textContent: Math.round(performance.getEntriesByName('tacet-drawn')[0].startTime) }));</script>" \
    "$folder/$page.html" > "$folder/$page.timed.html"
  for k in 1 2 3; do
    profile=$(mktemp -d)
    took=$(timeout 90 "$browser" --headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking \
      --disable-component-update --disable-sync --user-data-dir="$profile" --window-size=1300,1700 --dump-dom "file://$folder/$page.timed.html" \
      2> "$folder/browser.log" | sed -n 's/.*<pre id="opened">\([0-9]*\)<\/pre>.*/\1/p') || true
    rm -rf "$profile"
    if [[ -n $took && $took -lt $best ]]; then best=$took; fi
  done
  if [[ $best -le $limit ]]; then
    echo "passed $page: drawn $best ms after its begin, $(stat -c %s "$folder/$page.html") bytes"
  else
    echo "FAILED $page: drawn $best ms after its begin, at most $limit allowed"
    failures=$((failures + 1))
  fi
}

# One key and value for each thing seen. Four figures have a canvas each; hidden runs leave none; a tip has a line for x and one a run.
# Scripts: the data, uPlot, the page's two, and the two of this check. The ten runs are two groups that differ in their seed, with bands.
# One run has 200 pairs, of which 160 count: a point each. Four runs differ in their interval, so there are last values against it: a line for each method.
for width in 360 1240; do
  check one $width canvases=4 inked=4 pairs=160 tip=2 spoken=true zoomed=true staysZoomed=true unzoomed=true scripts=6 csvRows=800
  check four $width canvases=4 inked=4 canvasesHidden=0 tip=5 svgLines=4 svgBands=0 png=true finals=2 'target="4 of 4 lines reach 5"' spoken=true zoomed=true staysZoomed=true unzoomed=true scripts=6 csvRows=5120
  check ten $width pairs=0 canvases=4 inked=4 canvasesHidden=0 tip=3 svgLines=2 svgBands=2 png=true spoken=true zoomed=true staysZoomed=true unzoomed=true scripts=6 csvRows=1650
  check empty $width canvases=0 scripts=6 csvRows=0 finals=0
  check hostile $width canvases=4 inked=4 canvasesHidden=0 spoken=true scripts=6
done
check hundred 1240 canvases=4 inked=4 scripts=6 csvRows=40000
opens hundred 2000
if [[ $failures != 0 ]]; then
  echo "$failures page checks failed"
  exit 1
fi
echo "all page checks passed"
