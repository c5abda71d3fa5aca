// The addresses of this page's own server, below whatever prefix Airflow has, and of Airflow's own pages.

const OWN = new URL("../", import.meta.url);
const AIRFLOW = new URL("../", OWN);

const path = (...parts) => parts.map((part) => encodeURIComponent(part)).join("/");

export function dataUrl({ dagId, runId, taskId, mapIndex }) {
  const task = taskId === undefined ? [] : [taskId, mapIndex ?? -1];
  return new URL(`data/${path(dagId, runId, ...task)}`, OWN).href;
}

export function mediaUrl({ dagId, runId }, requestId, index, place) {
  const chosen = place === undefined ? "" : `?place=${place}`;
  return new URL(`media/${path(dagId, runId, requestId, index)}${chosen}`, OWN).href;
}

export function taskUrl({ dagId, runId }, task) {
  const mapped = task.map_index < 0 ? "" : `/mapped/${task.map_index}`;
  return new URL(`dags/${path(dagId)}/runs/${path(runId)}/tasks/${path(task.task_id)}${mapped}`, AIRFLOW).href;
}

export function runUrl({ dagId, runId }) {
  return new URL(`dags/${path(dagId)}/runs/${path(runId)}`, AIRFLOW).href;
}

export const signInUrl = () => new URL("auth/login", AIRFLOW).href;

// The ids that the address of the plain page names: page/DAG/RUN or page/DAG/RUN/TASK/MAP_INDEX.
export function idsOfPage(pathname) {
  const below = pathname.slice(new URL("page/", OWN).pathname.length);
  const [dagId, runId, taskId, mapIndex] = below.split("/").map(decodeURIComponent);
  return { dagId, runId, taskId, mapIndex: /^\d+$/.test(mapIndex ?? "") ? mapIndex : undefined };
}
