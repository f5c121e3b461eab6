(() => {
  "use strict";
  // Everything that is shown is in the fragment's JSON; nothing is computed here but places on the screen.
  const CONFIG = { displayModeBar: false, responsive: true, doubleClick: false, showTips: false };
  const FRAME_MS = 120;
  const WORDS = { train: "training", val: "validation" };

  const number = (value) => value.toLocaleString("en-US");
  const short = (value) => {
    if (value === null || value === undefined) return "–";
    if (value !== 0 && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e5)) return value.toExponential(1);
    return Math.abs(value) < 999.5 ? value.toPrecision(3) : number(Math.round(value));
  };
  const tick = (value) => (value < 1e-3 || value >= 1e5 ? value.toExponential(0) : number(Number(value.toPrecision(3))));
  // Plotly reads some markup in text.
  const plain = (text) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;");
  const finite = (values) => values.flat(Infinity).filter((value) => value !== null);

  function theme(root) {
    const style = getComputedStyle(root);
    const channels = (style.backgroundColor.match(/[\d.]+/g) || []).map(Number);
    const [r, g, b] = channels;
    const dark = style.backgroundColor.startsWith("rgb")
      ? 0.2126 * r + 0.7152 * g + 0.0722 * b < 128
      : matchMedia("(prefers-color-scheme: dark)").matches;
    const of = (name) => style.getPropertyValue(`--s-${name}`).trim();
    return {
      dark, ink: of("ink"), soft: of("soft"), line: of("line"), page: of("page"), font: style.fontFamily,
      pick: (pair) => (pair ? pair[dark ? 1 : 0] : of("ink")),
    };
  }

  // Steps to scale, or on a logarithmic axis, with a linear stretch from 0 to the first that was measured, as in the
  // figures.
  function stepAxis(data) {
    const all = data.steps.concat(...data.runs.map((run) => run.curves.step));
    if (data.step_axis === "linear") {
      const [low, high] = [Math.min(...all), Math.max(...all)];
      const width = Math.max(high - low, 1);
      const gap = [1, 2, 5, 10].map((f) => f * 10 ** Math.floor(Math.log10(width / 5))).find((g) => width / g <= 6);
      const unit = Math.max(gap, 1);
      const ticks = [];
      for (let step = Math.ceil(low / unit) * unit; step <= high; step += unit) ticks.push(step);
      return {
        place: (step) => step, ticks, labels: ticks.map(number), minor: [],
        range: [low - 0.015 * width, high + 0.03 * width],
      };
    }
    const positive = all.filter((step) => step > 0);
    const first = positive.length ? Math.min(...positive) : 1;
    const last = positive.length ? Math.max(...positive) : 1;
    const place = (step) => (step <= first ? (0.3 * step) / first : 0.3 + Math.log10(step / first));
    const ticks = [];
    const exponents = [];
    for (let k = Math.floor(Math.log10(first)); k <= Math.ceil(Math.log10(last)); k++) exponents.push(k);
    const between = (factors) => exponents.flatMap((k) => factors.map((f) => f * 10 ** k))
      .filter((step) => step >= first && step <= last);
    const tens = between([1]);
    ticks.push(0, ...(tens.length > 1 ? tens : between([1, 2, 5])));
    const range = [all.includes(0) ? 0 : place(first), place(last)];
    const width = Math.max(range[1] - range[0], 0.05);
    return {
      place, ticks: ticks.map(place), labels: ticks.map(number),
      minor: between([2, 3, 4, 5, 6, 7, 8, 9]).map(place),
      range: [range[0] - 0.015 * width, range[1] + 0.03 * width],
    };
  }

  function logRange(values, least) {
    const positive = finite(values).filter((value) => value > 0);
    if (!positive.length) return [-1, 1];
    const low = Math.log10(Math.min(...positive)), high = Math.log10(Math.max(...positive));
    const margin = Math.max(0.04 * (high - low), 0.03, (Math.log10(least) - (high - low)) / 2);
    return [low - margin, high + margin];
  }

  // Powers of ten where there are many, else 1, 2, 5.
  function logTicks([low, high]) {
    const factors = high - low > 1.7 ? [1] : high - low > 0.5 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 7];
    const every = high - low > 5 ? 2 : 1;
    const values = [];
    for (let k = Math.floor(low); k <= Math.ceil(high); k++) {
      if (k % every === 0) values.push(...factors.map((f) => f * 10 ** k));
    }
    const shown = values.filter((value) => Math.log10(value) >= low && Math.log10(value) <= high);
    return { tickvals: shown, ticktext: shown.map(tick) };
  }

  function axis(colours, options) {
    return {
      fixedrange: true, zeroline: false, showgrid: true, gridcolor: colours.line, gridwidth: 1, showline: true,
      linecolor: colours.soft, ticks: "outside", ticklen: 4, tickcolor: colours.soft, automargin: false, ...options,
    };
  }

  function layout(colours, options) {
    return {
      autosize: true, paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)", showlegend: false, dragmode: false,
      hovermode: "closest", font: { family: colours.font, size: 11, color: colours.soft },
      hoverlabel: { bgcolor: colours.page, bordercolor: colours.soft, font: { color: colours.ink, size: 12 } },
      margin: { l: 44, r: 8, t: 8, b: 36 }, ...options,
    };
  }

  const stepsAxis = (colours, steps, options) => axis(colours, {
    range: steps.range, tickvals: steps.ticks, ticktext: steps.labels,
    minor: { tickvals: steps.minor, ticks: "outside", ticklen: 2, tickcolor: colours.soft, showgrid: false },
    title: { text: "step", standoff: 4 }, ...options,
  });

  // A panel draws itself for a theme, and moves to a checkpoint (the number of it among the run's own).
  function spectrumPanel(plot, run, number_, top) {
    const spectrum = run.spectra[number_];
    const places = spectrum.irreps.map((_, i) => i + 1);
    const frequencies = spectrum.word === "frequency";
    const names = spectrum.irreps.map(plain);
    const many = !frequencies && names.length > 7; // names that have no room beside one another
    const at = (i) => {
      const power = spectrum.power[i];
      return {
        power, threshold: spectrum.threshold[i],
        opacity: power.map((value, k) => (value > spectrum.threshold[i][k] ? 1 : 0.35)),
        text: power.map((_, k) => (spectrum.hindsight[k] ? (frequencies ? names[k] : "key") : "")),
      };
    };
    return {
      draw(colours, steps, i) {
        const now = at(i);
        const bars = {
          type: "bar", name: "power", x: places, y: now.power, text: now.text, textposition: "outside", textangle: 0,
          constraintext: "none", cliponaxis: false, textfont: { color: colours.ink, size: frequencies ? 10 : 11 },
          marker: { color: colours.pick(run.colour), opacity: now.opacity, line: { width: 0 } },
          customdata: names, hovertemplate: `${spectrum.word} %{customdata}: %{y:.3~f}<extra></extra>`,
        };
        // Half a bar further at both ends, for the line is as long as the bars.
        const ends = { x: [0.5, ...places, places.length + 0.5] };
        const null_ = {
          type: "scatter", name: "null", mode: "lines", x: ends.x, y: extended(now.threshold), hoverinfo: "skip",
          line: { shape: "hvh", color: colours.ink, width: 1.3, dash: "dot" },
        };
        return Plotly.react(plot, [bars, null_], layout(colours, {
          bargap: frequencies ? 0.15 : 0.35, margin: { l: 44, r: 8, t: 14, b: many ? 64 : 36 },
          xaxis: axis(colours, {
            range: [0.3, places.length + 0.7], showgrid: false, tickangle: many ? -55 : 0,
            ...(frequencies
              ? { tick0: 0, nticks: 10, title: { text: spectrum.word, standoff: 4 } }
              : { tickvals: places, ticktext: many ? names : names.map((name) => name.replace("-", "-<br>")), ticks: "" }),
          }),
          yaxis: axis(colours, { range: [0, 1.12 * top], nticks: 5, showline: false }),
        }), CONFIG);
      },
      move(i) {
        const now = at(i);
        Plotly.restyle(plot, {
          y: [now.power, extended(now.threshold)], "marker.opacity": [now.opacity, undefined],
        }, [0, 1]);
      },
      label(i) {
        const power = spectrum.power[i];
        const best = power.indexOf(Math.max(...power));
        const keys = spectrum.irreps.filter((_, k) => power[k] > spectrum.threshold[i][k]);
        return `Power spectrum of the embedding. Largest: ${spectrum.word} ${spectrum.irreps[best]}, `
          + `${short(power[best])}. Above the null: ${keys.join(", ") || "none"}.`;
      },
    };
  }

  const extended = (values) => [values[0], ...values, values[values.length - 1]];

  function planePanel(plot, run, number_, which) {
    const spectrum = run.spectra[number_];
    const plane = spectrum.planes[which];
    const caption = plot.parentElement.querySelector(".scrubber-plane");
    const say = (i) => {
      const power = spectrum.power[i][plane.irrep];
      caption.textContent = `k = ${plane.frequency}, power ${(100 * power).toFixed(1)}%`;
    };
    return {
      draw(colours, steps, i) {
        say(i);
        const reach = 1.08 * (plane.reach || 1);
        const points = {
          type: "scatter", mode: "markers", name: "embedding", x: plane.x[i], y: plane.y[i], cliponaxis: false,
          marker: { size: 5, color: plane.colours, line: { width: 0 } }, text: plane.labels.map(plain),
          hovertemplate: "%{text}<extra></extra>",
        };
        const bare = {
          range: [-reach, reach], showgrid: false, zeroline: true, zerolinecolor: colours.line, zerolinewidth: 1,
          ticks: "", showticklabels: false, mirror: true, linecolor: colours.line,
        };
        return Plotly.react(plot, [points], layout(colours, {
          margin: { l: 2, r: 2, t: 2, b: 2 }, xaxis: axis(colours, bare), yaxis: axis(colours, bare),
        }), CONFIG);
      },
      move(i) {
        say(i);
        Plotly.restyle(plot, { x: [plane.x[i]], y: [plane.y[i]] }, [0]);
      },
      label() {
        return `Embedding on the plane of frequency ${plane.frequency}. ${caption.textContent}.`;
      },
    };
  }

  function normsPanel(plot, run, data, range) {
    const groups = data.groups.filter((group) => group.key in run.norms);
    const ends = range.map((value) => 10 ** value);
    const values = [...plot.parentElement.querySelectorAll("[data-norm]")];
    const marked = (steps, i) => ({
      x: [[0, 1].map(() => steps.place(run.steps[i])), groups.map(() => steps.place(run.steps[i]))],
      y: [ends, groups.map((group) => run.norms[group.key][i] || null)],
    });
    const say = (i) => values.forEach((cell) => { cell.textContent = short(run.norms[cell.dataset.norm][i]); });
    let known;
    return {
      draw(colours, steps, i) {
        known = steps;
        say(i);
        const lines = groups.map((group) => ({
          type: "scatter", mode: run.steps.length > 1 ? "lines" : "markers", name: group.title,
          x: run.steps.map(steps.place), y: run.norms[group.key].map((norm) => norm || null), customdata: run.steps,
          line: { color: colours.pick(group.colour), width: group.key === "all" ? 2.2 : 1.6 },
          hovertemplate: `${group.title} %{y:.4~g}<br>step %{customdata:,}<extra></extra>`,
        }));
        const now = marked(steps, i);
        return Plotly.react(plot, [...lines, cursor(colours, now.x[0], ends), {
          type: "scatter", mode: "markers", name: "markers", x: now.x[1], y: now.y[1], hoverinfo: "skip",
          cliponaxis: false,
          marker: { size: 8, color: groups.map((g) => colours.pick(g.colour)), line: { color: colours.page, width: 1.5 } },
        }], layout(colours, {
          xaxis: stepsAxis(colours, steps), yaxis: axis(colours, { type: "log", range, ...logTicks(range) }),
        }), CONFIG);
      },
      move(i) {
        say(i);
        Plotly.restyle(plot, marked(known, i), [groups.length, groups.length + 1]);
      },
      label(i) {
        return `Norms by parameter group: ${groups.map((g) => `${g.title} ${short(run.norms[g.key][i])}`).join(", ")}.`;
      },
    };
  }

  function marginsPanel(plot, run, data, number_, range) {
    const margins = run.margins[number_];
    const values = [...plot.parentElement.querySelectorAll("[data-margin]")];
    const inText = (key, i) => (margins[key][i] === null ? "–" : margins[key][i].toFixed(2));
    const marked = (steps, i) => ({
      x: [[0, 1].map(() => steps.place(run.steps[i])), data.margins.map(() => steps.place(run.steps[i]))],
      y: [range, data.margins.map(({ key }) => margins[key][i])],
    });
    const say = (i) => values.forEach((cell) => { cell.textContent = inText(cell.dataset.margin, i); });
    let known;
    return {
      draw(colours, steps, i) {
        known = steps;
        say(i);
        const lines = data.margins.map(({ key, title, colour }) => ({
          type: "scatter", mode: run.steps.length > 1 ? "lines" : "markers", name: title,
          x: run.steps.map(steps.place), y: margins[key], customdata: run.steps,
          line: { color: colours.pick(colour), width: 1.8 },
          hovertemplate: `${title} %{y:.2f}<br>step %{customdata:,}<extra></extra>`,
        }));
        const now = marked(steps, i);
        return Plotly.react(plot, [...lines, cursor(colours, now.x[0], range), {
          type: "scatter", mode: "markers", name: "markers", x: now.x[1], y: now.y[1], hoverinfo: "skip",
          cliponaxis: false,
          marker: {
            size: 8, color: data.margins.map(({ colour }) => colours.pick(colour)),
            line: { color: colours.page, width: 1.5 },
          },
        }], layout(colours, {
          xaxis: stepsAxis(colours, steps),
          yaxis: axis(colours, { range, nticks: 6, zeroline: true, zerolinecolor: colours.soft, zerolinewidth: 1 }),
        }), CONFIG);
      },
      move(i) {
        say(i);
        Plotly.restyle(plot, marked(known, i), [data.margins.length, data.margins.length + 1]);
      },
      label(i) {
        return `In nats: ${data.margins.map(({ key, title }) => `${title} ${inText(key, i)}`).join(", ")}.`;
      },
    };
  }

  // From the least value (or 0) to the largest, with some room.
  function linearRange(values) {
    const all = [0, ...finite(values)];
    const low = Math.min(...all), high = Math.max(...all);
    const room = 0.06 * Math.max(high - low, 0.1);
    return [low - room, high + room];
  }

  const cursor = (colours, x, y, yaxis = "y") => ({
    type: "scatter", mode: "lines", name: "cursor", x, y, yaxis, hoverinfo: "skip", cliponaxis: true,
    line: { color: colours.ink, width: 1 }, opacity: 0.6,
  });

  function curvesPanel(plot, run, range) {
    const curves = run.curves;
    const names = ["train_accuracy", "val_accuracy", "train_loss", "val_loss"];
    const values = [...plot.parentElement.querySelectorAll("[data-curve]")];
    const ends = { accuracy: [-0.05, 1.05], loss: range.map((value) => 10 ** value) };
    const valueAt = (name, i) => (curves.at[i] === null ? null : curves[name][curves.at[i]]);
    const inText = (name, i) => {
      const value = valueAt(name, i);
      return name.endsWith("accuracy") && value !== null ? value.toFixed(3) : short(value);
    };
    const say = (i) => values.forEach((cell) => { cell.textContent = inText(cell.dataset.curve, i); });
    const marked = (steps, i) => {
      const own = steps.place(run.steps[i]);
      const of = curves.at[i] === null ? null : steps.place(curves.step[curves.at[i]]);
      const pair = (quantity) => ["train", "val"].map((split) => valueAt(`${split}_${quantity}`, i));
      return {
        x: [[own, own], [own, own], [of, of], [of, of]],
        y: [ends.accuracy, ends.loss, pair("accuracy"), pair("loss").map((loss) => loss || null)],
      };
    };
    let known;
    return {
      draw(colours, steps, i) {
        known = steps;
        say(i);
        const colour = colours.pick(run.colour);
        const lines = names.map((name) => {
          const [split, quantity] = name.split("_");
          const loss = quantity === "loss";
          return {
            type: "scatter", mode: curves.step.length > 1 ? "lines" : "markers", name,
            x: curves.step.map(steps.place), y: loss ? curves[name].map((value) => value || null) : curves[name],
            yaxis: loss ? "y2" : "y", customdata: curves.step,
            line: { color: colour, width: split === "val" ? 2 : 1.5, dash: split === "val" ? "solid" : "5px,3px" },
            hovertemplate: `${WORDS[split]} ${quantity} %{y:.4~g}<br>step %{customdata:,}<extra></extra>`,
          };
        });
        const now = marked(steps, i);
        const markers = ["y", "y2"].map((yaxis, k) => ({
          type: "scatter", mode: "markers", name: "markers", x: now.x[k + 2], y: now.y[k + 2], yaxis, hoverinfo: "skip",
          cliponaxis: false,
          marker: { size: 9, color: [colours.page, colour], line: { color: colour, width: 2 } },
        }));
        const shapes = Object.entries(run.milestones).filter(([, step]) => step !== null).map(([name, step]) => ({
          type: "line", xref: "x", yref: "paper", x0: steps.place(step), x1: steps.place(step), y0: 0, y1: 1,
          layer: "below",
          line: { color: colour, width: 1, dash: name === "grok_step" ? "dashdot" : "dot" },
        }));
        return Plotly.react(plot, [
          ...lines, cursor(colours, now.x[0], ends.accuracy), cursor(colours, now.x[1], ends.loss, "y2"), ...markers,
        ], layout(colours, {
          shapes,
          xaxis: stepsAxis(colours, steps, { anchor: "y2" }),
          yaxis: axis(colours, { domain: [0.54, 1], range: ends.accuracy, tickvals: [0, 0.5, 1] }),
          yaxis2: axis(colours, { domain: [0, 0.46], type: "log", range, ...logTicks(range) }),
        }), CONFIG);
      },
      move(i) {
        say(i);
        Plotly.restyle(plot, marked(known, i), [4, 5, 6, 7]);
      },
      label(i) {
        const of = (name) => `${WORDS[name.split("_")[0]]} ${name.split("_")[1]} ${inText(name, i)}`;
        return `Accuracy and loss: ${names.map(of).join(", ")}.`;
      },
    };
  }

  function panelsOf(root, data) {
    const tops = data.runs[0].spectra.map((_, k) => Math.max(
      ...finite(data.runs.map((run) => [run.spectra[k].power, run.spectra[k].threshold])), 1e-3,
    ));
    const margins = data.runs[0].margins.map((_, k) => linearRange(
      data.runs.map((run) => data.margins.map(({ key }) => run.margins[k][key])),
    ));
    const norms = logRange(data.runs.map((run) => Object.values(run.norms)), 4);
    const losses = logRange(data.runs.map((run) => [run.curves.train_loss, run.curves.val_loss]), 4);
    const articles = [...root.querySelectorAll(".scrubber-run")];
    return articles.map((article, r) => {
      const run = data.runs[r];
      const found = [];
      for (const panel of article.querySelectorAll(".scrubber-panel")) {
        const which = Number(panel.dataset.number);
        panel.querySelectorAll(".scrubber-plot").forEach((plot, k) => {
          const made = {
            spectrum: () => spectrumPanel(plot, run, which, tops[which]),
            planes: () => planePanel(plot, run, which, k),
            margins: () => marginsPanel(plot, run, data, which, margins[which]),
            norms: () => normsPanel(plot, run, data, norms),
            curves: () => curvesPanel(plot, run, losses),
          }[panel.dataset.panel]();
          found.push({ plot, ...made });
        });
      }
      return found;
    });
  }

  // What a run shows at a step of the slider, in words; whether it stands still.
  function inWords(run, step) {
    const shown = run.steps.filter((own) => own <= step).pop() ?? run.steps[0];
    const last = run.steps[run.steps.length - 1];
    if (step > last) {
      return [true, run.ended ? `ended: last checkpoint, step ${number(last)}` : `last checkpoint so far: step ${number(last)}`];
    }
    if (step < run.steps[0]) return [true, `not yet begun: first checkpoint, step ${number(shown)}`];
    return [false, shown === step ? `at step ${number(step)}` : `at its checkpoint of step ${number(shown)}`];
  }

  function start(root) {
    root.dataset.started = "";
    const data = JSON.parse(root.querySelector(".scrubber-data").textContent);
    const slider = root.querySelector(".scrubber-track input");
    const play = root.querySelector(".scrubber-play");
    const output = root.querySelector(".scrubber-step");
    const notes = [...root.querySelectorAll(".scrubber-now")];
    const columns = panelsOf(root, data);
    const steps = stepAxis(data);
    const last = data.steps.length - 1;
    const shown = data.runs.map(() => null);
    let frame = Number(slider.value), waiting = false, timer = null;

    function say() {
      const step = data.steps[frame];
      output.textContent = `step ${number(step)}`;
      const words = data.runs.map((run) => inWords(run, step));
      words.forEach(([still, text], r) => {
        notes[r].textContent = text;
        notes[r].toggleAttribute("data-still", still);
      });
      const stills = words.flatMap(([still, text], r) => (still ? [`${data.runs[r].name} ${text}`] : []));
      slider.setAttribute("aria-valuetext", [`step ${number(step)}`, ...stills].join("; "));
    }

    function each(action) {
      columns.forEach((panels, r) => {
        const i = data.runs[r].index[frame];
        panels.forEach((panel) => {
          action(panel, i);
          panel.plot.setAttribute("aria-label", `${data.runs[r].name}: ${panel.label(i)}`);
        });
        shown[r] = i;
      });
    }

    function draw() {
      const colours = theme(root);
      root.dataset.theme = colours.dark ? "dark" : "light";
      say();
      each((panel, i) => panel.draw(colours, steps, i));
    }

    function show() {
      waiting = false;
      say();
      columns.forEach((panels, r) => {
        const i = data.runs[r].index[frame];
        if (i === shown[r]) return; // a run that has ended has nothing to redraw
        panels.forEach((panel) => {
          panel.move(i);
          panel.plot.setAttribute("aria-label", `${data.runs[r].name}: ${panel.label(i)}`);
        });
        shown[r] = i;
      });
    }

    function go(to) {
      frame = Math.min(Math.max(to, 0), last);
      slider.value = String(frame);
      // A slider is dragged faster than plots are drawn: draw the newest place only.
      if (!waiting) {
        waiting = true;
        requestAnimationFrame(show);
      }
    }

    function pause() {
      clearInterval(timer);
      timer = null;
      play.removeAttribute("data-playing");
      play.setAttribute("aria-label", "Play");
    }

    function run() {
      if (frame === last) go(0);
      play.setAttribute("data-playing", "");
      play.setAttribute("aria-label", "Pause");
      timer = setInterval(() => {
        if (waiting) return;
        go(frame + 1);
        if (frame === last) pause();
      }, FRAME_MS);
    }

    play.addEventListener("click", () => (timer === null ? run() : pause()));
    slider.addEventListener("input", () => { pause(); go(Number(slider.value)); });
    root.addEventListener("keydown", (event) => {
      const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
      if (by === undefined || event.target === slider || event.altKey || event.ctrlKey || event.metaKey) return;
      event.preventDefault();
      pause();
      go(frame + by);
    });
    root.querySelectorAll(".scrubber-jump").forEach((button) => button.addEventListener("click", () => {
      pause();
      const at = data.steps.findIndex((step) => step >= Number(button.dataset.step));
      go(at < 0 ? last : at);
    }));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
    draw();
  }

  const startAll = () => document.querySelectorAll(".scrubber:not([data-started])").forEach(start);
  // A script runs when the parser reaches it: fragments further down are not there yet.
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", startAll);
  else startAll();
})();
