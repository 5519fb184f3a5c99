// What the report page computes of runs' points, apart from any page: means with bands over runs, targets, and a figure as SVG.
// It reads and changes nothing of the document, so that tests run it without a browser.
const tacetSeries = (() => {
'use strict';

const MOST = 600;  // points of a mean of runs whose x differ

const known = (y) => y !== null && y !== undefined && Number.isFinite(y);

// Returns y at x, between known neighbours; null outside of them and beside gaps.
function at(points, x) {
  const { xs, ys } = points;
  if (!xs.length || x < xs[0] || x > xs[xs.length - 1]) return null;
  let low = 0, high = xs.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (xs[middle] < x) low = middle + 1; else high = middle;
  }
  if (xs[low] === x) return known(ys[low]) ? ys[low] : null;
  if (!known(ys[low]) || !known(ys[low - 1])) return null;
  return ys[low - 1] + (x - xs[low - 1]) / (xs[low] - xs[low - 1]) * (ys[low] - ys[low - 1]);
}

// Returns the places at which runs are averaged: their own where they are alike, else evenly spread over what all have.
function commonX(runs) {
  const first = runs[0].xs;
  if (runs.every((run) => run.xs.length === first.length && run.xs.every((x, k) => x === first[k]))) return first;
  const from = Math.max(...runs.map((run) => run.xs[0])), to = Math.min(...runs.map((run) => run.xs[run.xs.length - 1]));
  const count = Math.max(2, ...runs.map((run) => Math.min(run.xs.length, MOST)));
  // The last place is `to` itself: one that rounding puts beyond it has no value of the run that ends there.
  return from <= to ? Array.from({ length: count }, (_, k) => (k === count - 1 ? to : from + (to - from) * k / (count - 1))) : [];
}

// Returns mean and deviation of a sample of the known values, { mean, deviation, n }; mean is null where none is known.
function statistics(values) {
  const some = values.filter(known), n = some.length;
  if (n === 0) return { mean: null, deviation: null, n };
  const mean = some.reduce((a, b) => a + b, 0) / n;
  return { mean, deviation: n > 1 ? Math.sqrt(some.reduce((a, y) => a + (y - mean) ** 2, 0) / (n - 1)) : 0, n };
}

// Returns the mean over runs with points, { xs, ys, low, high, n, least }; the band is the mean ± one deviation. A mean is of the runs
// that are known at its x: `n` is the most of them, `least` the least, where there are some.
function meanOf(runs) {
  const some = runs.filter((run) => run.xs.length);
  const out = { xs: some.length ? commonX(some) : [], ys: [], low: [], high: [], n: 0, least: 0 };
  for (const x of out.xs) {
    const { mean, deviation, n } = statistics(some.map((run) => at(run, x)));
    out.n = Math.max(out.n, n);
    if (n > 0) out.least = out.least > 0 ? Math.min(out.least, n) : n;
    out.ys.push(mean);
    out.low.push(mean === null ? null : mean - deviation);
    out.high.push(mean === null ? null : mean + deviation);
  }
  return out;
}

// Returns "2 to 3", or "3" where both are.
const countText = (least, most) => (least === most ? `${most}` : `${least} to ${most}`);

// Returns the first x at which y has reached the target, or null.
function reaches(points, target, higher) {
  const k = points.ys.findIndex((y) => known(y) && (higher ? y >= target : y <= target));
  return k < 0 ? null : points.xs[k];
}

const escaped = (text) => String(text).replace(/[&<>"]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[c])
  .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, '\ufffd');

// Returns a figure as a whole SVG file. `figure` has title, xLabel, yLabel, x and y (each { min, max, log, marks: [[value, text], …] }),
// lines ({ name, colour, dash, xs, ys, low, high, dots, apart: points without a line }), target (or null) and colours ({ paper, ink, soft, rule }).
function svgOf(figure) {
  const width = 820, left = 84, right = 250, top = 46, bottom = 60, step = 18;
  const height = Math.max(440, top + bottom + step * figure.lines.length + 10);
  const scale = ({ min, max, log }, from, to) => {
    const f = log ? Math.log10 : (v) => v;
    return (v) => from + (f(v) - f(min)) / (f(max) - f(min)) * (to - from);
  };
  const sx = scale(figure.x, left, width - right), sy = scale(figure.y, height - bottom, top), c = figure.colours;
  const number = (v) => v.toFixed(2);
  const shown = (x, y) => known(y) && x >= figure.x.min && x <= figure.x.max && !(figure.y.log && y <= 0);
  const text = (x, y, words, more = '') => `<text x="${number(x)}" y="${number(y)}" ${more}>${escaped(words)}</text>\n`;
  const path = (xs, ys) => {
    let out = '', open = false;
    xs.forEach((x, k) => {
      const there = shown(x, ys[k]);
      if (there) out += `${open ? 'L' : 'M'}${number(sx(x))} ${number(sy(ys[k]))}`;
      open = there;
    });
    return out;
  };
  const band = (line) => {
    const ks = line.xs.map((_, k) => k).filter((k) => shown(line.xs[k], line.low[k]) && shown(line.xs[k], line.high[k]));
    const place = (k, ys) => `${number(sx(line.xs[k]))} ${number(sy(ys[k]))}`;
    return ks.length < 2 ? '' : `M${[...ks.map((k) => place(k, line.high)), ...ks.reverse().map((k) => place(k, line.low))].join('L')}Z`;
  };
  let out = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="sans-serif">\n`
    + `<title>${escaped(figure.title)}</title>\n<rect width="100%" height="100%" fill="${c.paper}"/>\n`
    + `<clipPath id="plot"><rect x="${left}" y="${top}" width="${width - left - right}" height="${height - top - bottom}"/></clipPath>\n`
    + text(left, 26, figure.title, `font-size="15" font-weight="bold" fill="${c.ink}"`);
  for (const [value, words] of figure.y.marks) {
    const y = number(sy(value));
    out += `<line x1="${left}" x2="${width - right}" y1="${y}" y2="${y}" stroke="${c.rule}"/>\n`
      + text(left - 8, sy(value) + 4, words, `text-anchor="end" font-size="12" fill="${c.soft}"`);
  }
  for (const [value, words] of figure.x.marks) out += text(sx(value), height - bottom + 18, words, `text-anchor="middle" font-size="12" fill="${c.soft}"`);
  out += text((left + width - right) / 2, height - 16, figure.xLabel, `text-anchor="middle" font-size="13" fill="${c.ink}"`);
  const middle = number((top + height - bottom) / 2);
  out += text(20, Number(middle), figure.yLabel, `text-anchor="middle" font-size="13" fill="${c.ink}" transform="rotate(-90 20 ${middle})"`);
  out += '<g clip-path="url(#plot)">\n';
  for (const line of figure.lines) {
    if (line.low) out += `<path class="band" d="${band(line)}" fill="${line.colour}" fill-opacity="0.16"/>\n`;
    const dash = line.dash && line.dash.length ? ` stroke-dasharray="${line.dash.join(' ')}"` : '';
    if (!line.apart) out += `<path class="line" d="${path(line.xs, line.ys)}" fill="none" stroke="${line.colour}" stroke-width="1.8"${dash}/>\n`;
    if (line.dots) {
      line.xs.forEach((x, k) => {
        if (shown(x, line.ys[k])) out += `<circle cx="${number(sx(x))}" cy="${number(sy(line.ys[k]))}" r="3" fill="${line.colour}"/>\n`;
      });
    }
  }
  if (known(figure.target)) {
    const y = number(sy(figure.target));
    out += `<line class="target" x1="${left}" x2="${width - right}" y1="${y}" y2="${y}" stroke="${c.soft}" stroke-dasharray="4 4"/>\n`;
  }
  out += '</g>\n';
  figure.lines.forEach((line, k) => {
    const x = width - right + 16, y = top + 10 + step * k, dash = line.dash && line.dash.length ? ` stroke-dasharray="${line.dash.join(' ')}"` : '';
    const name = line.name.length > 32 ? `${line.name.slice(0, 16)}…${line.name.slice(-15)}` : line.name;
    out += `<line x1="${x}" x2="${x + 26}" y1="${y - 4}" y2="${y - 4}" stroke-width="2.2" stroke="${line.colour}"${dash}/>\n`
      + text(x + 32, y, name, `font-size="12" fill="${c.ink}"`);
  });
  return `${out}</svg>\n`;
}

return { at, meanOf, statistics, countText, reaches, svgOf };
})();
if (typeof module !== 'undefined') module.exports = tacetSeries;
