// The clips of a task instance or of a whole Dag run, kept up to date. Used by the tab and by the plain page alike.

import { facts, media } from "./card.js";
import { el } from "./dom.js";
import { isPlaying } from "./player.js";
import { dataUrl, signInUrl } from "./urls.js";
import { count, money } from "./words.js";

const LIVE_MS = 3000;
const IDLE_MS = 30000;

// Show the clips in `root` until the function that is returned is called.
// `ids`: dagId and runId; taskId and mapIndex for a task instance, without them the whole run.
export function show(root, ids) {
  const page = new Page(root, ids);
  page.refresh();
  const look = () => document.hidden || page.refresh();
  document.addEventListener("visibilitychange", look);
  return () => {
    document.removeEventListener("visibilitychange", look);
    page.stop();
  };
}

class Page {
  constructor(root, ids) {
    this.ids = ids;
    this.isRun = ids.taskId === undefined;
    this.cards = new Map();
    this.summary = el("div", { class: "rc-summary" });
    this.message = el("div", { class: "rc-message" });
    this.grid = el("div", { class: this.isRun ? "rc-grid" : "rc-column" });
    this.node = el("section", { class: "rc-clips", "aria-busy": "true" }, this.summary, this.message, this.grid);
    root.replaceChildren(this.node);
  }

  stop() {
    this.isStopped = true;
    clearTimeout(this.timer);
  }

  async refresh() {
    clearTimeout(this.timer);
    // The answer that was asked for last is the one that counts.
    const turn = (this.turn = (this.turn ?? 0) + 1);
    let wait = IDLE_MS;
    try {
      const data = await load(this.ids);
      if (this.isStopped || turn !== this.turn) {
        return;
      }
      this.render(data);
      wait = data.live ? LIVE_MS : IDLE_MS;
    } catch (error) {
      if (this.isStopped || turn !== this.turn) {
        return;
      }
      this.complain(error);
    }
    this.node.removeAttribute("aria-busy");
    this.timer = setTimeout(() => (document.hidden ? null : this.refresh()), wait);
  }

  render(data) {
    const clips = [...data.clips].sort((one, other) => (other.attention !== null) - (one.attention !== null));
    this.summary.replaceChildren(...(this.isRun || clips.length > 1 ? summary(data) : []));
    this.message.replaceChildren(...(clips.length ? [] : [empty(data.live, this.isRun)]));
    const ids = clips.map(idOf);
    for (const id of this.cards.keys()) {
      if (!ids.includes(id)) {
        this.cards.get(id).node.remove();
        this.cards.delete(id);
      }
    }
    clips.forEach((clip, place) => this.place(ids[place], clip, place));
  }

  place(id, clip, place) {
    const card = this.cards.get(id) ?? { node: el("article", { class: "rc-card" }), media: el("div"), facts: el("div") };
    if (!this.cards.has(id)) {
      card.node.append(card.media, card.facts);
      this.cards.set(id, card);
    }
    card.node.classList.toggle("rc-stands-out", clip.attention !== null);
    card.node.dataset.request = clip.request_id ?? "";
    // A player is left alone unless what it plays has changed, and not even then while it plays.
    const shown = JSON.stringify([clip.files, clip.files.length ? "" : [clip.state, clip.queue_position]]);
    if (shown !== card.shown && !isPlaying(card.media)) {
      card.shown = shown;
      replace(card, "media", media(clip, this.ids));
    }
    const isOpen = card.facts.querySelector("details")?.open ?? false;
    replace(card, "facts", facts(clip, this.ids));
    const details = card.facts.querySelector("details");
    if (details) {
      details.open = isOpen;
    }
    if (this.grid.children[place] !== card.node) {
      this.grid.insertBefore(card.node, this.grid.children[place] ?? null);
    }
  }

  complain(error) {
    const isRefused = error.status === 401 || error.status === 403 || error.status === 404;
    if (isRefused) {
      this.cards.forEach((card) => card.node.remove());
      this.cards.clear();
      this.summary.replaceChildren();
    }
    this.message.replaceChildren(refused(error));
  }
}

function replace(card, part, node) {
  card[part].replaceWith(node);
  card[part] = node;
}

async function load(ids) {
  const answer = await fetch(dataUrl(ids), { credentials: "same-origin", cache: "no-store" });
  if (!answer.ok) {
    const detail = await answer.json().then((body) => body.detail, () => answer.statusText);
    throw Object.assign(new Error(String(detail)), { status: answer.status });
  }
  return answer.json();
}

// A request has its id; a submit without one its task and its time.
function idOf(clip) {
  const [task] = clip.tasks;
  return clip.request_id ?? `${task.task_id}/${task.map_index}/${clip.submitted_at}`;
}

function summary({ clips, cost_usd, live, without_cost }) {
  const of = (...states) => clips.filter((clip) => states.includes(clip.state)).length;
  const waiting = live ? of("in_queue", "in_progress", "submitted", "submitting") : 0;
  const failed = of("failed", "moderated", "gone");
  const striking = clips.filter((clip) => clip.attention !== null).length;
  const parts = [
    el("strong", {}, count(clips.length, "clip", "clips")),
    el("span", {}, `${of("succeeded")} succeeded`),
    waiting ? el("span", {}, `${waiting} waiting`) : null,
    failed ? el("span", {}, `${failed} failed`) : null,
    striking ? el("span", { class: "rc-striking" }, `${striking} paid for and not handed over, or not known`) : null,
    el("strong", { class: "rc-sum" }, cost_usd === null ? "No cost known" : `${money(cost_usd)} in all`),
    without_cost ? el("span", { class: "rc-muted" }, `${without_cost} without a known cost`) : null,
  ];
  return clips.length ? parts.filter(Boolean) : [];
}

function empty(isLive, isRun) {
  const who = isRun ? "No task of this run has" : "This task has not";
  const text = isRun ? `${who} anything of RunComfy's.` : `${who} submitted, awaited or copied anything of RunComfy's.`;
  return el(
    "div",
    { class: "rc-empty" },
    el("h3", {}, isLive ? "No clip here yet" : "No clip here"),
    el("p", {}, isLive ? "It appears as soon as something is submitted." : text),
  );
}

function refused(error) {
  const box = el("div", { class: "rc-empty", role: "alert" });
  if (error.status === 401) {
    box.append(el("h3", {}, "You are signed out"), el("a", { href: signInUrl() }, "Sign in to Airflow"));
  } else if (error.status === 403) {
    const text = "To see clips one needs the right to read the XComs of this Dag.";
    box.append(el("h3", {}, `Airflow refuses: ${error.message}`), el("p", {}, text));
  } else {
    box.append(el("h3", {}, "The clips cannot be shown now"), el("p", {}, error.message));
  }
  return box;
}
