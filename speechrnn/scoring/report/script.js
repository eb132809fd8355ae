"use strict";
// Sorting, filtering, playing. Without it the page can be read all the same.

document.documentElement.classList.add("js");

const collator = new Intl.Collator(undefined, { numeric: true });

function sort(head) {
  const table = head.closest("table");
  const column = head.cellIndex;
  const isNumber = head.classList.contains("n");
  // Numbers begin with the highest, names with the first
  const before = head.getAttribute("aria-sort");
  const ascending = before ? before === "descending" : !isNumber;
  for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
  const body = table.tBodies[0];
  const keyed = Array.from(body.rows, (row) => {
    const text = row.cells[column].textContent;
    return [isNumber ? parseFloat(text) : text, row];
  });
  keyed.sort(([a], [b]) => {
    if (!isNumber) return ascending ? collator.compare(a, b) : collator.compare(b, a);
    if (isNaN(a) || isNaN(b)) return isNaN(a) - isNaN(b);  // what is not known stays at the end
    return ascending ? a - b : b - a;
  });
  body.append(...keyed.map(([, row]) => row));
}

for (const button of document.querySelectorAll(".sortable thead button")) {
  button.addEventListener("click", () => sort(button.closest("th")));
}

const form = document.querySelector(".filters");
const lines = Array.from(document.querySelector(".utterances tbody").rows, (row) => ({
  row,
  text: row.textContent.toLowerCase(),
  speaker: row.cells[1].textContent,
  errors: Number(row.cells[4].textContent),
}));

function filter() {
  // What a keyboard has for the marks of the texts: said>heard or said->heard, and -word for a word left out
  const wanted = form.find.value.trim().toLowerCase().replace(/\s*-?>\s*/g, "›").replace(/^-/, "−");
  const speaker = form.speaker ? form.speaker.value : "";
  let shown = 0;
  for (const line of lines) {
    const fits = line.text.includes(wanted) && (!speaker || line.speaker === speaker) && (!form.wrong.checked || line.errors > 0);
    line.row.hidden = !fits;
    shown += fits;
  }
  form.querySelector("output").value = `${shown} of ${lines.length}`;
}

form.hidden = false;
form.addEventListener("input", filter);
form.addEventListener("submit", (event) => event.preventDefault());
filter();

for (const link of document.querySelectorAll("[data-find]")) {
  link.addEventListener("click", () => {
    form.reset();
    form.find.value = link.dataset.find;
    filter();
  });
}

function arrive() {
  // An id in the address is written as it stands in the page, with its percent signs
  const target = document.getElementById(location.hash.slice(1));
  if (!target) return;
  if (target.tagName === "DETAILS") target.open = true;
  if (target.closest("tr[hidden]")) {
    form.reset();
    filter();
  }
  target.scrollIntoView();
}

addEventListener("hashchange", arrive);
arrive();

for (const exhibit of document.querySelectorAll(".exhibit")) {
  const audio = exhibit.querySelector("audio");
  if (!audio) continue;
  const box = exhibit.querySelector(".box");
  const time = exhibit.querySelector(".time");
  const head = exhibit.querySelector(".head");
  const pixels = 120;  // a second: PIXELS_PER_SECOND of exhibit.py

  const draw = () => {
    head.hidden = false;
    const left = audio.currentTime * pixels;
    head.style.left = `${left}px`;
    if (!audio.paused && (left < box.scrollLeft || left > box.scrollLeft + box.clientWidth * 0.9)) {
      box.scrollLeft = left - box.clientWidth * 0.1;
    }
    if (!audio.paused && !audio.ended) requestAnimationFrame(draw);
  };
  const play = (seconds) => {
    audio.currentTime = seconds;
    audio.play();
  };
  audio.addEventListener("play", () => {
    for (const other of document.querySelectorAll("audio")) if (other !== audio) other.pause();
    draw();
  });
  audio.addEventListener("seeked", draw);
  time.addEventListener("click", (event) => {
    const word = event.target.closest("[data-start]");
    play(word ? Number(word.dataset.start) : (event.clientX - time.getBoundingClientRect().left) / pixels);
  });
}
