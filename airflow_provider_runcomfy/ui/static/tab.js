// The tab in Airflow's UI: a component of the React that the host page has, in which the clips are shown.

import { show } from "./clips.js";

const STYLE = new URL("clips.css", import.meta.url).href;

function useStyle() {
  if (!document.querySelector(`link[href="${STYLE}"]`)) {
    const link = document.createElement("link");
    link.rel = "stylesheet";
    link.href = STYLE;
    document.head.append(link);
  }
}

function RunComfy({ dagId, runId, taskId, mapIndex }) {
  const { createElement, useEffect, useRef } = globalThis.React;
  const place = useRef(null);
  useEffect(() => {
    useStyle();
    return show(place.current, { dagId, runId, taskId, mapIndex });
  }, [dagId, runId, taskId, mapIndex]);
  return createElement("div", { ref: place, className: "rc-tab" });
}

globalThis.RunComfy = RunComfy;
