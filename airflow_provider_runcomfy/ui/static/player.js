// A file as the browser plays it, and what is said where it cannot.

import { el } from "./dom.js";
import { mediaUrl } from "./urls.js";

const EXPIRED = {
  runcomfy:
    "RunComfy does not give this file any more, or not to this browser: its links expire, and no task has stored it " +
    "where this page can show it.",
  stored:
    "The store does not give this file: its link was good for an hour (reload the page), or the file was removed, or " +
    "the connection may not read it.",
};

// Forty clips are not loaded before somebody scrolls to them.
const nearby = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) {
        nearby.unobserve(target);
        target.preload = "metadata";
      }
    }
  },
  { rootMargin: "200px" },
);

export function player(file, index, clip, ids) {
  if (!file.source) {
    return notice("No task tells where this file can be had any more.");
  }
  const src = mediaUrl(ids, clip.request_id, index);
  const frame = el("div", { class: `rc-frame rc-${file.kind}` });
  const media = element(file.kind, src, `File ${index + 1} of request ${clip.request_id}`);
  media.addEventListener("error", () => explain(frame, file, src), { once: true });
  frame.append(media);
  return frame;
}

export function notice(text, className = "") {
  return el("div", { class: `rc-frame rc-notice ${className}` }, el("p", {}, text));
}

export function isPlaying(node) {
  return [...node.querySelectorAll("video, audio")].some((media) => !media.paused && !media.ended);
}

function element(kind, src, label) {
  if (kind === "image") {
    return el("img", { src, alt: label, loading: "lazy" });
  }
  const media = el(kind === "audio" ? "audio" : "video", {
    src,
    controls: true,
    playsinline: true,
    preload: "none",
    "aria-label": label,
  });
  nearby.observe(media);
  return media;
}

async function explain(frame, file, src) {
  const text = (await refusal(src)) ?? EXPIRED[file.source === "runcomfy" ? "runcomfy" : "stored"];
  frame.replaceWith(notice(text, "rc-expired"));
}

// Why the server does not lead to the file; null if it does, so that the place it leads to is the one that refuses.
async function refusal(src) {
  try {
    const answer = await fetch(src, { redirect: "manual" });
    return answer.type === "opaqueredirect" ? null : (await answer.json()).detail ?? null;
  } catch {
    return null;
  }
}
