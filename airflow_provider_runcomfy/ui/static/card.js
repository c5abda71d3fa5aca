// One clip: its files, and beside them all that is known of it.

import { el } from "./dom.js";
import { notice, player } from "./player.js";
import { mediaUrl, taskUrl } from "./urls.js";
import { bytes, length, moment, money, stateColour, stateName } from "./words.js";

export function media(clip, ids) {
  const files = clip.files.map((file, index) => player(file, index, clip, ids));
  return el("div", { class: "rc-media" }, ...(files.length ? files : [notice(instead(clip), `rc-is-${clip.state}`)]));
}

export function facts(clip, ids) {
  return el(
    "div",
    { class: "rc-facts" },
    heading(clip),
    clip.attention && el("p", { class: "rc-attention", role: "alert" }, clip.attention),
    clip.error && el("p", { class: "rc-error" }, clip.error),
    ...prompts(clip.inputs).map((text) => el("p", { class: "rc-prompt" }, text)),
    list(rows(clip, ids)),
    inputs(clip.inputs),
  );
}

// What stands where the files would be.
function instead(clip) {
  if (clip.state === "in_queue") {
    return clip.queue_position === null ? "In the queue" : `In the queue, position ${clip.queue_position}`;
  }
  const texts = {
    in_progress: "It is being generated",
    submitting: "It is being submitted",
    submitted: "It is submitted",
    succeeded: "It has succeeded without any file",
    failed: "No file: the generation failed",
    moderated: "No file: content moderation refused it",
    cancelled: "No file: it was cancelled",
    gone: "No file: RunComfy does not have it any more",
  };
  return texts[clip.state] ?? "What became of it is not known";
}

function heading(clip) {
  const badge = el("span", { class: `rc-badge rc-colour-${stateColour(clip.state)}` }, stateName(clip.state));
  const cost = clip.cost_usd === null ? null : el("span", { class: "rc-cost", title: "Cost in USD" }, money(clip.cost_usd));
  return el("header", { class: "rc-heading" }, badge, el("span", { class: "rc-model" }, clip.model_id ?? ""), cost);
}

function prompts(given) {
  if (given === null || typeof given !== "object") {
    return [];
  }
  const several = Array.isArray(given.multi_prompt) ? given.multi_prompt.map((part) => part?.prompt) : [];
  return [given.prompt, ...several].filter((text) => typeof text === "string" && text);
}

function rows(clip, ids) {
  const waits = ["in_queue", "in_progress"].includes(clip.state);
  const since = waits && clip.submitted_at !== null ? Date.now() / 1000 - clip.submitted_at : null;
  return [
    ["Request", clip.request_id && el("code", {}, clip.request_id)],
    ["Queue position", clip.queue_position],
    ["Told at", clip.told_at && moment(Date.parse(clip.told_at) / 1000)],
    ["Submitted", clip.submitted_at && moment(clip.submitted_at)],
    ["Waiting for", since === null ? null : length(since)],
    ["Queue time", clip.queue_seconds === null ? null : length(clip.queue_seconds)],
    ["Run time", clip.run_seconds === null ? null : length(clip.run_seconds)],
    ["Total time", clip.total_seconds === null ? null : length(clip.total_seconds)],
    ["Stored", stored(clip, ids)],
    ["Tasks", clip.tasks.length ? tasks(clip, ids) : null],
  ];
}

function list(entries) {
  const shown = entries.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return el(
    "dl",
    { class: "rc-list" },
    ...shown.flatMap(([name, value]) => [el("dt", {}, name), el("dd", {}, value instanceof Node ? value : String(value))]),
  );
}

function stored(clip, ids) {
  const places = clip.files.flatMap((file, index) => file.places.map((place, number) => [place, index, number]));
  if (!places.length) {
    const text = "Nowhere yet: RunComfy's links expire, so copy it with a transfer.";
    return clip.files.length ? el("span", { class: "rc-muted" }, text) : null;
  }
  return el("ul", {}, ...places.map(([place, index, number]) => el("li", {}, ...storedAt(place, clip, index, number, ids))));
}

function storedAt(place, clip, index, number, ids) {
  const href = mediaUrl(ids, clip.request_id, index, number);
  const name = place.opens
    ? el("a", { href, target: "_blank", rel: "noopener noreferrer" }, place.uri)
    : el("span", {}, place.uri);
  return [name, place.size === null ? null : el("span", { class: "rc-muted rc-size" }, ` ${bytes(place.size)}`)];
}

function tasks(clip, ids) {
  return el("ul", {}, ...clip.tasks.map((task) => el("li", {}, taskLink(task, ids))));
}

function taskLink(task, ids) {
  const name = task.map_index < 0 ? task.task_id : `${task.task_id} [${task.map_index}]`;
  const state = el("span", { class: "rc-muted" }, ` ${task.state ?? "no status"}`);
  return el("span", {}, el("a", { href: taskUrl(ids, task) }, name), state);
}

function inputs(given) {
  if (given === null) {
    return null;
  }
  const text = typeof given === "string" ? given : JSON.stringify(given, null, 2);
  return el("details", { class: "rc-inputs" }, el("summary", {}, "Inputs"), el("pre", {}, text));
}
