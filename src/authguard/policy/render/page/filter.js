// Filters the decision table: finds the rules that decide the selected cells, exactly, by subtraction of boxes.
// The box of a row is one bit mask per dimension, as in authguard.policy.table.boxes. The script fetches and stores nothing.
// The query of the address holds the selection, so that a link opens the same view and "back" returns to the last one.
"use strict";
(() => {
  const BUDGET = 20000;
  const MAX_QUERY = 2000;
  const form = document.getElementById("filters");
  const choose = document.getElementById("choose");
  const found = document.getElementById("found");
  const ignored = document.getElementById("ignored");
  const dimensions = [...form.querySelectorAll("select[data-dimension]")];
  const operation = form.elements.namedItem("operation");
  const outcome = form.elements.namedItem("outcome");
  const words = form.elements.namedItem("words");
  const whole = dimensions.map((select) => (1n << BigInt(select.options.length - 1)) - 1n);
  const rows = [...document.querySelectorAll("#rules tbody tr")].map((row) => ({
    row,
    box: row.dataset.box.split(" ").map((mask) => BigInt("0x" + mask)),
    outcome: row.dataset.outcome,
    phase: row.dataset.phase,
    skips: row.dataset.skips !== undefined,
    text: row.textContent.toLowerCase(),
    cells: row.querySelector(".cells"),
  }));

  const intersect = (one, two) => one.map((mask, place) => mask & two[place]);
  const empty = (box) => box.some((mask) => mask === 0n);
  const count = (box) => box.reduce((cells, mask) => cells * BigInt(mask.toString(2).replaceAll("0", "").length), 1n);

  function* subtract(box, cut) {
    if (empty(intersect(box, cut))) { yield box; return; }
    const narrowed = [...box];
    for (let place = 0; place < box.length; place++) {
      const outside = box[place] & ~cut[place];
      if (outside) { const left = [...narrowed]; left[place] = outside; yield left; }
      narrowed[place] = box[place] & cut[place];
    }
  }

  function decidedCells(region) {
    let remaining = [region];
    let examined = 0;
    let skipped = []; // go on with the next phase
    let current = "";
    const cells = [];
    for (const { box, phase, skips } of rows) {
      if (phase !== current) {
        remaining.push(...skipped);
        skipped = [];
        current = phase;
      }
      examined += remaining.length;
      if (examined > BUDGET) return null;
      const taken = remaining.map((left) => intersect(left, box)).filter((common) => !empty(common));
      if (skips) skipped.push(...taken);
      cells.push(taken.reduce((sum, common) => sum + count(common), 0n));
      remaining = remaining.flatMap((left) => [...subtract(left, box)]);
    }
    return cells;
  }

  function show() {
    const region = dimensions.map((select, place) =>
      select.selectedIndex > 0 ? 1n << BigInt(select.selectedIndex - 1) : whole[place]);
    const cells = decidedCells(region);
    const wanted = words.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    let decided = 0n;
    rows.forEach((rule, place) => {
      const matches = cells ? cells[place] > 0n : !empty(intersect(rule.box, region));
      const fits = (!outcome.value || rule.outcome === outcome.value) && wanted.every((word) => rule.text.includes(word));
      rule.row.hidden = !(matches && fits);
      rule.cells.textContent = cells ? cells[place].toLocaleString("en") : "?";
      if (matches && fits) { shown += 1; decided += cells && !rule.skips ? cells[place] : 0n; }
    });
    for (const field of form.elements) field.classList?.toggle("set", field.value !== "" && field.type !== "reset");
    const chosen = [...form.elements].filter((field) => field.name && field.value !== "")
      .map((field) => `${field.name} ${field.value}`).join(", ");
    const rules = `${shown} of ${rows.length} rules`;
    const selected = chosen ? ` selected: ${chosen}.` : " of the table.";
    if (shown === 0) found.textContent = `No rule decides such a request. Selected: ${chosen}.`;
    else if (!cells) found.textContent = `${rules} may decide the cells${selected} The rules are too complex for an exact result.`;
    else if (!chosen) found.textContent = `All ${rows.length} rules, for all ${count(region).toLocaleString("en")} cells.`;
    else found.textContent =
      `${rules} decide ${decided.toLocaleString("en")} of the ${count(region).toLocaleString("en")} cells${selected}`;
  }

  const fields = [...form.elements].filter((field) => field.name);

  // An address is untrusted: it selects only what the form offers, and everything else of it is ignored, and said so.
  function read() {
    const query = location.search.length > MAX_QUERY ? "" : location.search;
    const given = new URLSearchParams(query);
    let dropped = query === location.search ? 0 : 1;
    for (const field of fields) {
      const value = given.get(field.name) ?? "";
      if (field === words) field.value = value.slice(0, words.maxLength);
      else field.value = [...field.options].some((option) => option.value === value) ? value : "";
      if (field.value !== value) dropped += 1;
    }
    const known = new Set(fields.map((field) => field.name));
    const names = [...given.keys()];
    dropped += names.filter((name, place) => !known.has(name) || names.indexOf(name) !== place).length;
    ignored.hidden = dropped === 0;
    ignored.textContent = dropped ? "The address selects something that this page does not have; that part is ignored." : "";
    show();
  }

  function write(replace) {
    const query = new URLSearchParams(fields.filter((field) => field.value).map((field) => [field.name, field.value]));
    const target = `${location.pathname}${query.size ? `?${query}` : ""}`;
    ignored.hidden = true;
    if (target === location.pathname + location.search) return;
    if (replace) history.replaceState(null, "", target);
    else history.pushState(null, "", target);
  }

  operation.addEventListener("change", () => {
    const chosen = operation.selectedOptions[0].dataset;
    for (const select of dimensions) {
      const value = chosen[select.dataset.dimension];
      if (value !== undefined || select.dataset.dimension === "risk" || select.dataset.dimension === "effect") {
        select.value = value ?? "";
      }
    }
  });
  form.addEventListener("input", (event) => {
    if (["risk", "effect"].includes(event.target.dataset?.dimension)) operation.value = "";
    show();
    if (event.target === words) write(true);
  });
  form.addEventListener("change", (event) => {
    show();
    write(event.target === words);
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(() => { show(); write(false); }));
  window.addEventListener("popstate", read);
  form.hidden = false;
  choose.open = matchMedia("(min-width: 52.01rem)").matches;
  read();
})();
