// What src/report/page_series.js computes, against numbers by hand. Usage: node series_test.js PAGE_SERIES.JS
'use strict';
const assert = require('node:assert');
const path = require('node:path');
const { meanOf, statistics, countText, reaches, svgOf } = require(path.resolve(process.argv[2]));

const tests = {
  'a mean has the deviation of a sample as its band'() {
    const mean = meanOf([{ xs: [1, 2], ys: [4, 2] }, { xs: [1, 2], ys: [6, 2] }]);
    assert.deepStrictEqual([mean.xs, mean.ys, mean.n], [[1, 2], [5, 2], 2]);
    assert.ok(Math.abs(mean.high[0] - 5 - Math.SQRT2) < 1e-12 && Math.abs(mean.low[0] - 5 + Math.SQRT2) < 1e-12);
    assert.deepStrictEqual([mean.low[1], mean.high[1]], [2, 2]);
  },
  'runs whose x differ are compared where all of them are'() {
    const mean = meanOf([{ xs: [1, 2, 3], ys: [4, 3, 2] }, { xs: [2, 4, 6], ys: [4, 3, 2] }]);
    assert.deepStrictEqual([mean.xs[0], mean.xs[mean.xs.length - 1]], [2, 3]);
    assert.deepStrictEqual([mean.ys[0], mean.ys[mean.ys.length - 1]], [3.5, 2.75]);
  },
  'runs that share no x have no mean'() {
    assert.deepStrictEqual(meanOf([{ xs: [1, 2], ys: [1, 1] }, { xs: [3, 4], ys: [1, 1] }]).ys, []);
  },
  'gaps are left out of a mean'() {
    assert.deepStrictEqual(meanOf([{ xs: [1, 2], ys: [4, null] }, { xs: [1, 2], ys: [6, 3] }]).ys, [5, 3]);
    assert.deepStrictEqual(meanOf([{ xs: [1, 2], ys: [null, 1] }, { xs: [1, 2], ys: [null, 3] }]).ys, [null, 2]);
  },
  // At x = 2 the first run has no value, at x = 3 none has. The mean was told to be of all runs.
  'a mean tells of how many runs it is at least and at most'() {
    const mean = meanOf([{ xs: [1, 2, 3], ys: [4, null, null] }, { xs: [1, 2, 3], ys: [6, 3, null] }, { xs: [1, 2, 3], ys: [5, 3, null] }]);
    assert.deepStrictEqual([mean.ys, mean.least, mean.n], [[5, 3, null], 2, 3]);
    assert.deepStrictEqual([countText(mean.least, mean.n), countText(3, 3)], ['2 to 3', '3']);
    const none = meanOf([{ xs: [1], ys: [null] }]);
    assert.deepStrictEqual([none.least, none.n], [0, 0]);
  },
  // from + (to - from) · 321 / 321 is rounded to one digit more than `to`, where the first run has ended.
  'the last place of a mean is that of the shortest run'() {
    const from = 226.68029884227713, to = 8404.681491066744, places = Array.from({ length: 322 }, (_, k) => (k === 321 ? to : from + k));
    const mean = meanOf([{ xs: places, ys: places.map(() => 1) }, { xs: [from, to + 1], ys: [1, 1] }]);
    assert.deepStrictEqual([mean.xs[321], mean.least, mean.n], [to, 2, 2]);
  },
  'one value has no deviation and none has no mean'() {
    assert.deepStrictEqual(statistics([7]), { mean: 7, deviation: 0, n: 1 });
    assert.deepStrictEqual(statistics([null, NaN]), { mean: null, deviation: null, n: 0 });
  },
  'a target is reached from above or from below'() {
    const points = { xs: [1, 2, 3], ys: [0.1, null, 0.9] };
    assert.strictEqual(reaches(points, 0.5, true), 3);
    assert.strictEqual(reaches(points, 0.5, false), 1);
    assert.strictEqual(reaches(points, 0.95, true), null);
  },
  'a picture has its lines, bands, marks and target, and no markup of a name'() {
    const svg = svgOf({
      title: 'A < B', xLabel: 'epoch', yLabel: 'loss', colours: { paper: '#fff', ink: '#111', soft: '#777', rule: '#ccc' }, target: 3,
      x: { min: 0, max: 2, log: false, marks: [[1, '1']] }, y: { min: 1, max: 100, log: true, marks: [[10, '10']] },
      lines: [{ name: '</svg><script>', colour: '#f00', dash: [7, 4], xs: [0, 1, 2], ys: [100, 10, 1], low: [90, 9, 1], high: [100, 11, 2], dots: true },
        { name: 'b', colour: '#00f', dash: [], xs: [0, 1, 2], ys: [10, null, 0] }],
    });
    const count = (part) => svg.split(part).length - 1;
    assert.deepStrictEqual([count('class="line"'), count('class="band"'), count('class="target"'), count('<circle')], [2, 1, 1, 3]);
    assert.strictEqual(count('<script>') + count('NaN') + count('Infinity') + count('null'), 0);
    assert.strictEqual(count('</svg>'), 1);
    assert.ok(svg.includes('&lt;/svg&gt;&lt;script&gt;') && svg.includes('>A &lt; B<') && svg.includes('stroke-dasharray="7 4"'));
    // The middle of a log axis from 1 to 100 is at 10: half way between top and bottom of a plot of 440 − 46 − 60.
    assert.ok(svg.includes(`cy="${(46 + (440 - 46 - 60) / 2).toFixed(2)}"`));
    // A gap, and a value that a log axis has no place for, break the second line.
    assert.strictEqual(/fill="none" stroke="#00f"/.test(svg) && svg.match(/d="([^"]*)" fill="none" stroke="#00f"/)[1].includes('L'), false);
  },
};

for (const [name, run] of Object.entries(tests)) {
  run();
  console.log(`passed: ${name}`);
}
