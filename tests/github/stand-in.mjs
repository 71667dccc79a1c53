// GitHub for tests: the API of `emulate`, which we did not write, with the git transport that it lacks.
//
// Branches live in bare repositories, one for `alice/shop` and one for `alice/web`, served over smart HTTP by git's own `http-backend`. Objects have the same ids on
// both sides, so a branch is carried over by carrying over its objects: to the API after every push, and back before
// every fetch, for the merges that the API makes.
//
// Everything is reached through one address. Requests to the API can be disturbed: `POST /_faults` with a list of
// `{ method, path, kind }` disturbs the first request that each of them fits (`path` is a pattern), `GET /_requests` tells
// all writes that reached the API.
//
// `POST /_git_v0`: from then on git is answered as by an older server, which gives out nothing but what a ref of its own
// leads to.
//
// With `"checked": true` every request passes through Prism, which holds it against GitHub's own description of its
// API; `GET /_requests` tells the violations.
//
// Usage: node stand-in.mjs '{"tools": <node_modules>, "bare": <folder>, "second": <folder>,
//     "checked": <bool>}'
// Prints one line of JSON when it is ready and ends when its standard input ends.

import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import http from "node:http";
import net from "node:net";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";

const config = JSON.parse(process.argv[2]);
const { createEmulator } = await import(pathToFileURL(`${config.tools}/emulate/dist/api.js`));
const OWNER = "alice";
const REPOS = ["shop", "web"];
const TOKENS = { tok_alice: "alice", tok_miyabi: "miyabi-bot", tok_mallory: "mallory" };
const run = promisify(execFile);

/** Runs what starts a server on port 0 within this process and does not say which port it got; gives the port too. */
async function withPort(start) {
  const { listen } = net.Server.prototype;
  const listening = new Promise((done) => {
    net.Server.prototype.listen = function (...options) {
      this.once("listening", () => done(this.address().port));
      return listen.apply(this, options);
    };
  });
  const started = await start();
  net.Server.prototype.listen = listen;
  return [started, await listening];
}

// Listens before anybody is told of it; every port is given by the system, so tests side by side never meet.
const server = http.createServer();
server.listen(0, "127.0.0.1");
await once(server, "listening");
const { port } = server.address();
const all = ["contents", "issues", "pull_requests", "checks", "statuses", "metadata", "administration"];
const [emulator, inner] = await withPort(() => createEmulator({
  service: "github",
  port: 0,
  baseUrl: `http://127.0.0.1:${port}`,
  seed: {
    tokens: Object.fromEntries(
      Object.entries(TOKENS).map(([token, login]) => [token, { login, scopes: ["repo", "user", "admin:repo_hook"] }]),
    ),
    github: {
      users: Object.values(TOKENS).map((login) => ({ login })),
      repos: REPOS.map((name) => ({ owner: OWNER, name })),
      apps: [
        {
          app_id: 7,
          slug: "miyabi",
          name: "miyabi",
          permissions: Object.fromEntries(all.map((name) => [name, "write"])),
          events: [],
          installations: [{ installation_id: 70, account: OWNER, repository_selection: "all" }],
        },
      ],
    },
  },
}));
const api = `http://127.0.0.1:${inner}`;

/** Prism in front of the API; gives its port. It notes violations in a header and hands every request on. */
async function prism() {
  const description = `${config.tools}/@octokit/openapi/generated/api.github.com.json`;
  const program = `${config.tools}/@stoplight/prism-cli/dist/index.js`;
  const child = spawn(process.execPath, [program, "proxy", "-p", "0", description, api]);
  process.on("exit", () => child.kill("SIGKILL"));
  let said = "";
  const port = await new Promise((done, failed) => {
    child.on("exit", () => failed(new Error(`prism ended: ${said}`)));
    child.stderr.on("data", (part) => (said += part));
    child.stdout.on("data", (part) => {
      said += part;
      const listening = /Prism is listening on \S+:(\d+)/.exec(said);
      if (listening) done(Number(listening[1]));
    });
  });
  child.stdout.removeAllListeners("data").resume();
  return port;
}
const front = config.checked ? await prism() : inner;

async function ask(method, path, body, token = "tok_alice") {
  const answer = await fetch(`${api}${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await answer.text();
  return { status: answer.status, body: text ? JSON.parse(text) : null };
}

async function must(method, path, body) {
  const answer = await ask(method, path, body);
  if (answer.status >= 300) {
    throw new Error(`${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`);
  }
  return answer.body;
}

for (const name of REPOS) {
  await must("PUT", `/repos/${OWNER}/${name}/collaborators/miyabi-bot`, { permission: "push" });
}

async function mayEnter(header) {
  const [kind, value] = (header ?? "").split(" ");
  if (kind !== "Basic") return false;
  const secret = Buffer.from(value, "base64").toString().split(":").slice(1).join(":");
  return (await ask("GET", `/repos/${OWNER}/${REPOS[0]}`, undefined, secret)).status === 200 && TOKENS[secret] !== "mallory";
}

/** Statuses of commits, which the API lacks. Newest first, as GitHub lists them; of each context the newest counts. */
const statuses = [];

async function statusesOf(request, response, repo, rest, body) {
  const say = (status, answer) =>
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(answer));
  const token = (request.headers.authorization ?? "").split(" ").pop();
  const [, sha] = /^\/(?:statuses|commits)\/([^/]+)/.exec(rest);
  if ((await ask("GET", repo, undefined, token)).status !== 200) return say(404, { message: "Not Found" });
  if (request.method === "GET") {
    const newest = statuses.filter((status, n) => {
      const same = (other) => other.context.toLowerCase() === status.context.toLowerCase() && other.sha === status.sha;
      return status.repo === repo && status.sha === sha && statuses.findIndex(same) === n;
    });
    const state = newest.length === 0 || newest.some(({ state }) => state === "pending") ? "pending"
      : newest.every(({ state }) => state === "success") ? "success" : "failure";
    return say(200, { sha, state, total_count: newest.length, statuses: newest });
  }
  if (token === "tok_mallory") return say(403, { message: "Resource not accessible by personal access token" });
  if ((await ask("GET", `${repo}/git/commits/${sha}`)).status !== 200) {
    return say(422, { message: `No commit found for SHA: ${sha}` });
  }
  const { state, context = "default", description = null, target_url = null } = JSON.parse(body.toString());
  const wrong = !["error", "failure", "pending", "success"].includes(state) || [...(description ?? "")].length > 140
    || (target_url !== null && !/^https?:/.test(target_url));
  if (wrong) return say(422, { message: "Validation Failed" });
  statuses.unshift({ id: statuses.length + 1, repo, sha, state, context, description, target_url });
  return say(201, statuses[0]);
}

let is_old = false;
let faults = [];
const requests = [];
const violations = [];

/** What Prism found wrong with a request. What it says of answers is about the stand-in. */
function note(request, header) {
  for (const found of header ? JSON.parse(header) : []) {
    if (found.location[0] !== "response") violations.push({ request: `${request.method} ${request.url}`, ...found });
  }
}

/** What is said here reaches nobody. */
function deaf(request) {
  return { writeHead: () => ({ end: () => request.socket.destroy() }) };
}

/** Hands a request on to the API; what came back, or nothing where a fault says so. */
async function disturbed(request, response, body) {
  const fits = (fault) => fault.method === request.method && new RegExp(fault.path).test(request.url);
  const fault = faults.find(fits);
  faults = faults.filter((other) => other !== fault);
  const say = (status, headers, text) => response.writeHead(status, headers).end(JSON.stringify({ message: text }));
  switch (fault?.kind) {
    case "slow":
      await new Promise((done) => setTimeout(done, 2_000));
      break;
    case "reset":
      return request.socket.destroy();
    case "500":
    case "502":
      return say(Number(fault.kind), {}, "out of order");
    case "401":
      return say(401, {}, "Bad credentials");
    case "refuse":
      return say(403, {}, "Resource not accessible by personal access token");
    case "secondary":
      return say(403, { "retry-after": "1" }, "You have exceeded a secondary rate limit. Please wait.");
  }
  if (request.method !== "GET") requests.push(`${request.method} ${request.url}`);
  const { host, connection, ...headers } = request.headers;
  const answer = await new Promise((done, failed) => {
    const options = { host: "127.0.0.1", port: front, method: request.method, path: request.url, headers, maxHeaderSize: 1 << 20 };
    const asked = http.request(options, done);
    asked.on("error", failed);
    asked.end(body);
  });
  const parts = [];
  for await (const part of answer) parts.push(part);
  note(request, answer.headers["sl-violations"]);
  const of_change = /^(\/repos\/[^/]+\/[^/]+)\/pulls\/(\d+)\/files(\?|$)/.exec(request.url);
  if (of_change && !fault && answer.statusCode === 200) {
    const files = await repositories.find(({ repo }) => repo === of_change[1]).files(of_change[2]);
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(files));
    return;
  }
  const marked = /^(\/repos\/[^/]+\/[^/]+)(\/statuses\/[^/?]+|\/commits\/[^/]+\/status)(\?|$)/.exec(request.url);
  if (marked) {
    await statusesOf(request, fault?.kind === "lost" ? deaf(request) : response, marked[1], marked[2], body);
    return;
  }
  // The effect is there, and nobody hears of it.
  if (fault?.kind === "lost") return request.socket.destroy();
  response.writeHead(answer.statusCode, answer.headers).end(Buffer.concat(parts));
}

/** Comments of the whole repository, which the API has as well but cannot route to: it takes `comments` for a number. */
async function allComments(repo, query) {
  const issues = await must("GET", `${repo}/issues?state=all&per_page=100`);
  const lists = await Promise.all(issues.map(({ number }) => must("GET", `${repo}/issues/${number}/comments?per_page=100`)));
  const since = Date.parse(query.get("since") ?? 0);
  return lists
    .flat()
    .filter((comment) => Date.parse(comment.updated_at) >= since)
    .sort((left, right) => left.id - right.id);
}

/** One repository: its branches in a bare folder, and through the API. */
function repository(name, bare) {
  const repo = `/repos/${OWNER}/${name}`;
  const address = `/${OWNER}/${name}.git`;

  async function git(args, input) {
    const child = run("git", ["-C", bare, ...args], { encoding: "buffer", maxBuffer: 1 << 28 });
    if (input !== undefined) {
      child.child.stdin.end(input);
    }
    return (await child).stdout;
  }

  const carried = new Set();

  async function branches() {
    const listed = await git(["for-each-ref", "--format=%(objectname) %(refname:short)", "refs/heads"]);
    const lines = listed.toString().split("\n").filter(Boolean);
    return new Map(lines.map((line) => line.split(" ")).map(([sha, ...name]) => [name.join(" "), sha]));
  }

  /** Carries the objects of a commit over to the API; the ids must come out the same. */
  async function carry(sha) {
    const known = [...carried].filter((id) => id !== sha).map((id) => `^${id}`);
    const listed = (await git(["rev-list", "--objects", "--topo-order", "--reverse", "--no-object-names", sha, ...known])).toString();
    const ids = listed.split("\n").filter((id) => id && !carried.has(id));
    const kinds = (await git(["cat-file", "--batch-check=%(objectname) %(objecttype)"], `${ids.join("\n")}\n`)).toString();
    const of = (kind) => kinds.split("\n").filter((line) => line.endsWith(` ${kind}`)).map((line) => line.split(" ")[0]);
    const same = (id, made) => {
      if (made.sha !== id) throw new Error(`${id} came out as ${made.sha}`);
      carried.add(id);
    };
    for (const id of of("blob")) {
      const content = (await git(["cat-file", "blob", id])).toString("base64");
      same(id, await must("POST", `${repo}/git/blobs`, { content, encoding: "base64" }));
    }
    // Below before above: a tree is made of the ids of what it holds.
    let trees = of("tree");
    while (trees.length > 0) {
      const later = [];
      for (const id of trees) {
        const entries = (await git(["ls-tree", "-z", id])).toString().split("\0").filter(Boolean);
        const tree = entries.map((entry) => {
          const [meta, path] = entry.split("\t");
          const [mode, type, sha] = meta.split(" ");
          return { mode, type, sha, path };
        });
        if (tree.some((entry) => entry.type === "tree" && !carried.has(entry.sha))) later.push(id);
        else same(id, await must("POST", `${repo}/git/trees`, { tree }));
      }
      if (later.length === trees.length) throw new Error("trees stand in a circle");
      trees = later;
    }
    for (const id of of("commit")) {
      const raw = (await git(["cat-file", "commit", id])).toString();
      const [head, ...rest] = raw.split("\n\n");
      const lines = head.split("\n").map((line) => [line.slice(0, line.indexOf(" ")), line.slice(line.indexOf(" ") + 1)]);
      const all = (name) => lines.filter(([key]) => key === name).map(([, value]) => value);
      const person = (text) => {
        const [, name, email, seconds] = text.match(/^(.*) <(.*)> (\d+) [+-]\d{4}$/);
        return { name, email, date: new Date(Number(seconds) * 1000).toISOString().replace(".000", "") };
      };
      const made = await must("POST", `${repo}/git/commits`, {
        message: rest.join("\n\n").replace(/\n$/, ""),
        tree: all("tree")[0],
        parents: all("parent"),
        author: person(all("author")[0]),
        committer: person(all("committer")[0]),
      });
      same(id, made);
    }
  }

  let turn = Promise.resolve();
  function inTurn(work) {
    const result = turn.then(work);
    turn = result.catch(() => {});
    return result;
  }

  /** What was pushed becomes visible through the API. */
  async function up() {
    const here = await branches();
    const there = new Map((await must("GET", `${repo}/git/matching-refs/heads/`)).map((ref) => [ref.ref.slice(11), ref.object.sha]));
    for (const [name, sha] of here) {
      if (there.get(name) === sha) continue;
      await carry(sha);
      if (there.has(name)) await must("PATCH", `${repo}/git/refs/heads/${name}`, { sha, force: true });
      else await must("POST", `${repo}/git/refs`, { ref: `refs/heads/${name}`, sha });
    }
    for (const name of there.keys()) {
      if (!here.has(name)) await must("DELETE", `${repo}/git/refs/heads/${name}`);
    }
  }

  /** What the API merged becomes visible to git. */
  async function down() {
    const here = await branches();
    for (const ref of await must("GET", `${repo}/git/matching-refs/heads/`)) {
      const [name, sha] = [ref.ref.slice(11), ref.object.sha];
      if (here.get(name) === sha) continue;
      const commit = await must("GET", `${repo}/git/commits/${sha}`);
      const person = (who) => `${who.name} <${who.email}> ${Math.floor(Date.parse(who.date) / 1000)} +0000`;
      const head = [
        `tree ${commit.tree.sha}`,
        ...commit.parents.map((parent) => `parent ${parent.sha}`),
        `author ${person(commit.author)}`,
        `committer ${person(commit.committer)}`,
      ];
      const message = commit.message.endsWith("\n") ? commit.message : `${commit.message}\n`;
      const written = await git(["hash-object", "-t", "commit", "-w", "--stdin"], `${head.join("\n")}\n\n${message}`);
      if (written.toString().trim() !== sha) throw new Error(`${sha} came out as ${written}`);
      carried.add(sha);
      await git(["update-ref", `refs/heads/${name}`, sha]);
    }
  }

  async function serve(request, response, url, body) {
    if (!(await mayEnter(request.headers.authorization))) {
      response.writeHead(401, { "www-authenticate": 'Basic realm="git"' }).end("who are you?");
      return;
    }
    const service = url.searchParams.get("service") ?? url.pathname.split("/").pop();
    await inTurn(down);
    const backend = spawn("git", ["http-backend"], {
      env: {
        PATH: process.env.PATH,
        GIT_PROJECT_ROOT: bare,
        GIT_HTTP_EXPORT_ALL: "1",
        PATH_INFO: url.pathname.replace(address, ""),
        QUERY_STRING: url.search.slice(1),
        REQUEST_METHOD: request.method,
        CONTENT_TYPE: request.headers["content-type"] ?? "",
        HTTP_CONTENT_ENCODING: request.headers["content-encoding"] ?? "",
        HTTP_GIT_PROTOCOL: (is_old ? undefined : request.headers["git-protocol"]) ?? "",
        REMOTE_USER: "miyabi",
      },
    });
    // It may end without having read everything.
    backend.stdin.on("error", () => {});
    backend.stdin.end(body);
    const printed = [];
    for await (const part of backend.stdout) printed.push(part);
    if (service === "git-receive-pack" && request.method === "POST") await inTurn(up);
    const all = Buffer.concat(printed);
    const end = all.indexOf("\r\n\r\n");
    const headers = {};
    let status = 200;
    for (const line of all.subarray(0, end).toString().split("\r\n")) {
      const [name, ...rest] = line.split(": ");
      if (name.toLowerCase() === "status") status = Number(rest.join(": ").split(" ")[0]);
      else headers[name] = rest.join(": ");
    }
    response.writeHead(status, headers).end(all.subarray(end + 4));
  }

  /** What a change touches, as git says it: the API makes names up. */
  async function files(number) {
    await inTurn(down);
    const { base, head } = await must("GET", `${repo}/pulls/${number}`);
    const diff = async (how) => {
      const told = await git(["diff", "--no-renames", "-z", how, `${base.sha}...${head.sha}`]);
      return told.toString().split("\0").filter(Boolean);
    };
    const words = { A: "added", D: "removed" };
    const [kinds, figures] = [await diff("--name-status"), await diff("--numstat")];
    return figures.map((line, n) => {
      const [additions, deletions, ...filename] = line.split("\t");
      const [added, removed] = [additions, deletions].map((count) => Number(count) || 0);
      return {
        sha: head.sha, filename: filename.join("\t"), status: words[kinds[2 * n]] ?? "modified",
        additions: added, deletions: removed, changes: added + removed,
      };
    });
  }

  return {
    address,
    comments: `${repo}/issues/comments`,
    files,
    repo,
    serve,
    async open() {
      await git(["config", "http.receivepack", "true"]);
      await inTurn(up);
    },
  };
}
const repositories = [repository(REPOS[0], config.bare), repository(REPOS[1], config.second)];

server.on("request", async (request, response) => {
  try {
    const url = new URL(request.url, "http://127.0.0.1");
    const parts = [];
    for await (const part of request) parts.push(part);
    const body = Buffer.concat(parts);
    if (url.pathname === "/_faults") {
      faults = JSON.parse(body.toString());
      response.end("{}");
      return;
    }
    if (url.pathname === "/_git_v0") {
      is_old = true;
      response.end("{}");
      return;
    }
    if (url.pathname === "/_requests") {
      response.end(JSON.stringify({ requests, faults, violations }));
      return;
    }
    const of_git = repositories.find(({ address }) => url.pathname.startsWith(`${address}/`));
    const commented = repositories.find(({ comments }) => request.method === "GET" && url.pathname === comments);
    if (of_git) {
      await of_git.serve(request, response, url, body);
    } else if (commented) {
      const all = await allComments(commented.repo, url.searchParams);
      response.setHeader("content-type", "application/json").end(JSON.stringify(all));
    } else {
      await disturbed(request, response, body);
    }
  } catch (error) {
    console.error(error);
    response.writeHead(500).end(String(error));
  }
});
for (const repository of repositories) await repository.open();
const key = emulator.generatedSecrets.find((secret) => secret.kind === "github.app_private_key")?.value;
const address = `http://127.0.0.1:${port}`;
console.log(JSON.stringify({ api: address, git: `${address}${repositories[0].address}`, key }));
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
