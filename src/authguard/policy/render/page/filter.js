// Filters the decision table: finds the rules that decide the selected cells, exactly, by subtraction of boxes.
// The box of a row is one bit mask per dimension, as in authguard.core.boxes. The script fetches and stores nothing.
"use strict";
(() => {
  const BUDGET = 20000;
  const form = document.getElementById("filters");
  const found = document.getElementById("found");
  const dimensions = [...form.querySelectorAll("select[data-dimension]")];
  const operation = form.elements.namedItem("operation");
  const outcome = form.elements.namedItem("outcome");
  const words = form.elements.namedItem("words");
  const whole = dimensions.map((select) => (1n << BigInt(select.options.length - 1)) - 1n);
  const rows = [...document.querySelectorAll("#rules tbody tr")].map((row) => ({
    row,
    box: row.dataset.box.split(" ").map((mask) => BigInt("0x" + mask)),
    outcome: row.dataset.outcome,
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
    const cells = [];
    for (const { box } of rows) {
      examined += remaining.length;
      if (examined > BUDGET) return null;
      cells.push(remaining.map((left) => intersect(left, box)).filter((common) => !empty(common))
        .reduce((sum, common) => sum + count(common), 0n));
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
      if (matches && fits) { shown += 1; decided += cells ? cells[place] : 0n; }
    });
    for (const field of form.elements) field.classList?.toggle("set", field.value !== "" && field.type !== "reset");
    const chosen = [...form.elements].filter((field) => field.name && field.value !== "")
      .map((field) => `${field.name} ${field.value}`).join(", ");
    const of = chosen ? `selected: ${chosen}.` : "of the table.";
    const rules = `${shown} of ${rows.length} rules`;
    found.textContent = cells
      ? `${rules} decide ${decided.toLocaleString("en")} of the ${count(region).toLocaleString("en")} cells ${of}`
      : `${rules} may decide the cells ${of} The rules are too complex for an exact result.`;
  }

  operation.addEventListener("change", () => {
    const chosen = operation.selectedOptions[0].dataset;
    for (const select of dimensions) {
      const value = chosen[select.dataset.dimension];
      if (value !== undefined || select.dataset.dimension === "risk" || select.dataset.dimension === "effect") {
        select.value = value ?? "";
      }
    }
    show();
  });
  form.addEventListener("input", (event) => {
    if (["risk", "effect"].includes(event.target.dataset?.dimension)) operation.value = "";
    show();
  });
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("reset", () => setTimeout(show));
  form.hidden = false;
  show();
})();
