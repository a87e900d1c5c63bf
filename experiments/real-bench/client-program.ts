// A client process of the bench: it loads, says that it is ready, waits for a line, does the job of its argument and
// prints the answer as JSON (client-jobs.ts). It is a process of its own, so that neither its processor time nor its
// waiting counts for the registry.

import { once } from "node:events"
import { writeSync } from "node:fs"
import { pullBulk } from "./bulk-pull.ts"
import {
  type ClientCost,
  type ClientJob,
  type PullDone,
  type PushLargeDone,
  type PushSmallDone,
  readyLine
} from "./client-jobs.ts"
import { makeRegistryClient, patienceMilliseconds } from "./registry-client.ts"

const done = async (job: ClientJob): Promise<PushSmallDone | PushLargeDone | PullDone> => {
  const began = performance.now()
  switch (job.kind) {
    case "push-small": {
      const latencies: Array<number> = []
      await Promise.all(
        Array.from({ length: job.clients }, async (_, number) => {
          const client = makeRegistryClient(job.url)
          for (let image = 0; performance.now() - began < job.seconds * 1000; image++) {
            const from = performance.now()
            await client.pushImage(`bench/client-${process.pid}-${number}`, `v${image}`)
            latencies.push(performance.now() - from)
          }
          client.close()
        })
      )
      return { latencies, seconds: (performance.now() - began) / 1000 }
    }
    case "push-large": {
      const client = makeRegistryClient(job.url)
      const pushed = await client.pushBulk(job.url, job.bulk, job.uploads)
      client.close()
      return pushed
    }
    case "pull": {
      const seconds = await Promise.all(
        job.urls.map(async (url) => {
          await pullBulk(url, job.bulk, patienceMilliseconds)
          return (performance.now() - began) / 1000
        })
      )
      return { seconds }
    }
  }
}

try {
  const job = JSON.parse(process.argv[2] ?? "") as ClientJob
  writeSync(process.stdout.fd, `${readyLine}\n`)
  await once(process.stdin, "data")
  const before = process.cpuUsage()
  const answer = await done(job)
  const { user, system } = process.cpuUsage(before)
  const told = { ...answer, clientCpu: (user + system) / 1e6 } satisfies ClientCost
  writeSync(process.stdout.fd, `${JSON.stringify(told)}\n`)
  process.exit(0)
} catch (error) {
  writeSync(process.stderr.fd, `${error instanceof Error ? error.message : error}\n`)
  process.exit(1)
}
