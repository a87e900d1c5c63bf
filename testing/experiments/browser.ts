// A browser for tests of pages: an installed Chromium without a window, and one tab of it, controlled by Chromium's
// DevTools protocol. Nothing is installed for it; without Chromium the tests are skipped with that reason.

import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { join } from "node:path"
import { WebSocket } from "ws"

const names = ["chromium", "chromium-browser", "google-chrome", "chrome", "headless_shell"]

const installed = (name: string): string | undefined => {
  try {
    return execFileSync("which", [name], { encoding: "utf8" }).trim()
  } catch {
    return undefined
  }
}

/** The program, or the reason why no page can be opened. */
export const chromium: { readonly path: string } | { readonly missing: string } = (() => {
  const path = names.map(installed).find((found) => found !== undefined)
  return path === undefined
    ? { missing: `not run: pages in a browser, because none of ${names.join(", ")} is installed` }
    : { path }
})()

interface BrowserEvent {
  readonly id?: number
  readonly method?: string
  readonly result?: { readonly result?: { readonly value?: unknown } }
}

/** A tab. `events` are the messages of Chromium that answer no request. */
interface Tab {
  readonly events: Array<BrowserEvent>
  readonly ask: (method: string, params?: object) => Promise<BrowserEvent>
  /** The value of an expression as JSON; promises are awaited. */
  readonly evaluate: (expression: string) => Promise<unknown>
}

export interface Browser {
  readonly tab: Tab
  readonly close: () => Promise<void>
}

const openTab = async (socket: WebSocket): Promise<Tab> => {
  const events: Array<BrowserEvent> = []
  const answers = new Map<number, (answer: BrowserEvent) => void>()
  let last = 0
  socket.on("message", (data) => {
    const event = JSON.parse(String(data)) as BrowserEvent
    if (event.id === undefined) events.push(event)
    else answers.get(event.id)?.(event)
  })
  await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject))
  const ask: Tab["ask"] = (method, params = {}) => {
    const id = ++last
    socket.send(JSON.stringify({ id, method, params }))
    return new Promise((resolve) => answers.set(id, resolve))
  }
  const evaluate: Tab["evaluate"] = async (expression) => {
    const answer = await ask("Runtime.evaluate", { expression, returnByValue: true, awaitPromise: true })
    return answer.result?.result?.value
  }
  return { events, ask, evaluate }
}

/** The address at which a browser listens, from its first output. */
const hostOf = (started: ChildProcess): Promise<string> =>
  new Promise((resolve, reject) => {
    let said = ""
    started.once("exit", () => reject(new Error(`Chromium did not start: ${said}`)))
    started.stderr?.on("data", (text) => {
      said += text
      const found = /listening on (ws:\S+)/.exec(said)
      if (found !== null) resolve(new URL(found[1]!).host)
    })
  })

/** Starts a browser with its profile in `folder`. */
export const startBrowser = async (path: string, folder: string): Promise<Browser> => {
  const flags = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
  const own = ["--remote-debugging-port=0", `--user-data-dir=${join(folder, "profile")}`, "about:blank"]
  const browser = spawn(path, [...flags, ...own], { stdio: ["ignore", "ignore", "pipe"] })
  const host = await hostOf(browser)
  const pages = (await (await fetch(`http://${host}/json/list`)).json()) as ReadonlyArray<{
    readonly type: string
    readonly webSocketDebuggerUrl: string
  }>
  const socket = new WebSocket(pages.find(({ type }) => type === "page")!.webSocketDebuggerUrl)
  const tab = await openTab(socket)
  await Promise.all(["Page.enable", "Runtime.enable", "Log.enable"].map((method) => tab.ask(method)))
  const close = async () => {
    socket.close()
    const gone = new Promise((resolve) => browser.once("exit", resolve))
    browser.kill("SIGKILL")
    await gone
  }
  return { tab, close }
}
