"use strict";
// Better with it: a filter above long tables, and rows sorted by a click on a column's head.
for (const table of document.querySelectorAll("table.data")) {
  table.classList.add("sortable");
  const body = table.tBodies[0];
  if (body.rows.length > 12) {
    const filter = document.createElement("input");
    filter.className = "filter";
    filter.type = "search";
    filter.placeholder = "show rows with this text";
    filter.setAttribute("aria-label", "show rows with this text");
    filter.addEventListener("input", () => {
      const wanted = filter.value.toLowerCase();
      for (const row of body.rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
    });
    table.parentElement.before(filter);
  }
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    let up = false;
    head.title = "sort";
    head.addEventListener("click", () => {
      up = !up;
      const text = (row) => row.cells[column].textContent;
      const order = (a, b) => {
        const x = text(a), y = text(b);
        if (!x || !y) return x ? -1 : y ? 1 : 0;
        const difference = Number(x) - Number(y);
        const compared = Number.isNaN(difference) ? x.localeCompare(y, undefined, { numeric: true }) : difference;
        return up ? compared : -compared;
      };
      body.append(...[...body.rows].sort(order));
    });
  });
}
