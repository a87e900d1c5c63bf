// The plan of a cluster in network namespaces: one namespace for each host and one for the switch between them, their
// addresses, the commands of `ip` and `tc` that make them, and the processes that run in them. Pure: runs nothing.
//
//   herd, agent 1, agent 2, ...   each a namespace
//     peers0    198.18.0.(k + 1)  shaped, a port of the switch's bridge; peers, tracker, origin and build-index
//     control   198.19.k.2        unshaped, to 198.19.k.1 on this machine: clients, readiness, metrics
//
// The uplink of a host is shaped where it leaves the host, its downlink where it leaves the switch. Both networks are
// of the range that RFC 2544 keeps for measurements. Segments leave a host one by one, as on a cable: otherwise a
// shaper sees packets of 64 KiB.
//
// Invariant: everything that stays on the machine is a namespace whose name begins with `namePrefix`; links and
// bridges go with the namespaces that hold them.

import { join } from "node:path"
import type { RateSettings } from "../roles/config/process-keys.ts"
import { localUrl } from "../roles/http/host-and-port.ts"
import type { PlannedProcess } from "./up-plan.ts"

/** Every namespace that this command makes is named so, with the id of its process. */
export const namePrefix = "shoal-measure-"

export const shapers = ["tbf", "htb"] as const

export interface LinkShape {
  readonly shaper: (typeof shapers)[number]
  /** Bytes per second, each way. */
  readonly rate: number
  /** Bytes that may pass at once after a pause. */
  readonly burst: number
  /** Bytes that wait at a shaper before more are dropped. */
  readonly queue: number
  /** Microseconds that every packet waits on its way to the switch; needs netem. */
  readonly delay: number
}

interface NamespaceHost {
  readonly name: string
  readonly namespace: string
  /** Where the other hosts reach it, over shaped links. */
  readonly address: string
  /** Where this machine reaches it. */
  readonly control: string
}

export interface ProgramCall {
  readonly program: "ip" | "tc"
  readonly args: ReadonlyArray<string>
}

export interface NamespacePlan {
  readonly hosts: ReadonlyArray<NamespaceHost>
  readonly switchNamespace: string
  /** In the order in which they run. */
  readonly calls: ReadonlyArray<ProgramCall>
}

export const shapedDevice = "peers0"
/** The switch's end of the link of host `index`. */
export const portOf = (index: number): string => `port${index}`

export const ports = { registry: 5000, peer: 5001, origin: 5002, tracker: 5003, buildIndex: 5004 } as const

const words = (text: string): ReadonlyArray<string> => text.split(" ")
const ip = (text: string): ProgramCall => ({ program: "ip", args: words(text) })
const tc = (text: string): ProgramCall => ({ program: "tc", args: words(text) })

/** Shapes what leaves `device`. */
const shapeOf = (
  namespace: string,
  device: string,
  { shaper, rate, burst, queue }: LinkShape,
  delay: number
): ReadonlyArray<ProgramCall> => {
  const bits = `${8 * rate}bit`
  const add = `-n ${namespace} qdisc add dev ${device}`
  const waits = delay === 0 ? [] : [tc(`${add} parent 1:1 handle 10: netem delay ${delay}us limit 100000`)]
  if (shaper === "tbf")
    return [tc(`${add} root handle 1: tbf rate ${bits} burst ${burst} limit ${queue}`), ...waits]
  const keepsQueue = delay === 0 ? [tc(`${add} parent 1:1 handle 10: bfifo limit ${queue}`)] : waits
  return [
    tc(`${add} root handle 1: htb default 1`),
    tc(
      `-n ${namespace} class add dev ${device} parent 1: classid 1:1 htb rate ${bits} ceil ${bits} ` +
        `burst ${burst} cburst ${burst} quantum 1514`
    ),
    ...keepsQueue
  ]
}

/** A setting of the kernel for every host, as sysctl writes it: "net.ipv4.tcp_notsent_lowat=16384". */
export const settingPattern = /^net\.[a-z0-9_.]+=[0-9 ]+$/

export interface NetworkRequest {
  /** Distinguishes the namespaces of two commands. */
  readonly id: number
  readonly agents: number
  readonly shape: LinkShape
  /** Name of TCP's congestion control. */
  readonly congestion: string
  readonly settings: ReadonlyArray<string>
}

export const planNamespaces = ({
  id,
  agents,
  shape,
  congestion,
  settings
}: NetworkRequest): NamespacePlan => {
  const prefix = `${namePrefix}${id}-`
  const names = ["herd", ...Array.from({ length: agents }, (_, index) => `agent-${index + 1}`)]
  const hosts = names.map(
    (name, index): NamespaceHost => ({
      name,
      namespace: `${prefix}${name}`,
      address: `198.18.0.${index + 1}`,
      control: `198.19.${index}.2`
    })
  )
  const switchNamespace = `${prefix}switch`
  const inSwitch = `-n ${switchNamespace}`
  const calls = [
    ip(`netns add ${switchNamespace}`),
    ip(`${inSwitch} link add bridge0 type bridge`),
    ip(`${inSwitch} link set bridge0 up`),
    ...hosts.flatMap(({ namespace, address, control }, index): ReadonlyArray<ProgramCall> => {
      const port = portOf(index)
      const here = `shoalm${index}`
      const inHost = `-n ${namespace}`
      return [
        ip(`netns add ${namespace}`),
        ip(`${inSwitch} link add ${port} type veth peer name ${shapedDevice} netns ${namespace}`),
        ip(`${inSwitch} link set ${port} master bridge0 up`),
        ip(`${inHost} link set lo up`),
        ip(`${inHost} link set ${shapedDevice} gso_max_segs 1`),
        ip(`${inHost} addr add ${address}/24 dev ${shapedDevice}`),
        ip(`${inHost} link set ${shapedDevice} up`),
        ip(`link add ${here} type veth peer name control netns ${namespace}`),
        ip(`addr add 198.19.${index}.1/30 dev ${here}`),
        ip(`link set ${here} up`),
        ip(`${inHost} addr add ${control}/30 dev control`),
        ip(`${inHost} link set control up`),
        ...settings.map(
          (setting): ProgramCall => ({
            program: "ip",
            args: ["netns", "exec", namespace, "sysctl", "-qw", setting]
          })
        ),
        // A route says it, because a namespace may not set another default than the machine allows.
        ip(
          `${inHost} route replace 198.18.0.0/24 dev ${shapedDevice} proto kernel scope link ` +
            `src ${address} congctl ${congestion}`
        ),
        ...shapeOf(namespace, shapedDevice, shape, shape.delay),
        ...shapeOf(switchNamespace, port, shape, 0)
      ]
    })
  ]
  return { hosts, switchNamespace, calls }
}

export interface ProcessRequest {
  readonly plan: NamespacePlan
  /** Parent of the folders of all hosts. */
  readonly data: string
  /** The product's own limits; none when absent. */
  readonly rates?: RateSettings
}

export interface NamespaceProcess extends PlannedProcess {
  readonly host: NamespaceHost
  /** The base URL of its registry, from this machine. */
  readonly registry: string
  /** The page of metrics of the role that is a peer, from this machine. */
  readonly metrics: string
}

/** The processes, the herd first. They listen on every address of their namespace. */
export const planProcesses = ({ plan, data, rates }: ProcessRequest): ReadonlyArray<NamespaceProcess> => {
  const [herdHost] = plan.hosts
  const listen = (port: number) => ({ host: "0.0.0.0", port })
  const shared = ({ name, address }: NamespaceHost) => ({
    data: join(data, name),
    peer: { host: address, port: ports.peer },
    ...(rates === undefined ? {} : { rates }),
    log: { level: "warn", format: "json" }
  })
  const herdUrl = (port: number): string => localUrl({ host: herdHost?.address ?? "", port })
  return plan.hosts.map((host, index): NamespaceProcess => {
    const url = (port: number): string => localUrl({ host: host.control, port })
    const isHerd = index === 0
    const listening = isHerd
      ? [ports.registry, ports.origin, ports.tracker, ports.buildIndex]
      : [ports.registry]
    return {
      host,
      name: host.name,
      role: isHerd ? "herd" : "agent",
      configFile: join(data, "config", `${host.name}.json`),
      logFile: join(data, "logs", `${host.name}.log`),
      config: isHerd
        ? {
            ...shared(host),
            proxy: listen(ports.registry),
            origin: listen(ports.origin),
            tracker: listen(ports.tracker),
            buildIndex: listen(ports.buildIndex)
          }
        : {
            ...shared(host),
            registry: listen(ports.registry),
            trackers: [herdUrl(ports.tracker)],
            buildIndexes: [herdUrl(ports.buildIndex)]
          },
      ports: [],
      readiness: listening.map((port) => `${url(port)}/readiness`),
      registry: url(ports.registry),
      metrics: `${url(isHerd ? ports.origin : ports.registry)}/metrics`
    }
  })
}
