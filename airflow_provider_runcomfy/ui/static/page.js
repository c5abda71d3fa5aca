// The plain page: the clips in a page of their own, for Airflow 3.1 and for whoever sees no tabs of plugins.

import { show } from "./clips.js";
import { idsOfPage, runUrl, taskUrl } from "./urls.js";

function applyTheme() {
  // Airflow keeps the choice there; without one the system's counts.
  const chosen = localStorage.getItem("theme");
  const isDark = chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  document.documentElement.classList.toggle("dark", isDark);
  document.documentElement.classList.toggle("light", !isDark);
}

applyTheme();
addEventListener("storage", applyTheme);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", applyTheme);

const ids = idsOfPage(location.pathname);
const task = { task_id: ids.taskId, map_index: ids.mapIndex === undefined ? -1 : Number(ids.mapIndex) };
const name = ids.taskId === undefined ? ids.runId : ids.taskId + (task.map_index < 0 ? "" : ` [${task.map_index}]`);
const back = document.getElementById("back");
back.href = ids.taskId === undefined ? runUrl(ids) : taskUrl(ids, task);
back.textContent = ids.taskId === undefined ? ids.dagId : `${ids.dagId} / ${ids.runId}`;
document.getElementById("title").textContent = name;
document.title = `${name} - RunComfy`;
show(document.getElementById("clips"), ids);
