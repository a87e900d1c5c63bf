// A real file system whose power a test can cut: ext4 on a file, which is shut down during any work (as xfstests does
// it) without writing its journal. Data that was not synced is gone at the next mount. It needs root, loop devices,
// mkfs.ext4 and perl, for the one call that Node does not have.

import { execFileSync, spawn } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** EXT4_IOC_SHUTDOWN with the flag that leaves the journal as it is. */
const shutDown = `
  sysopen(my $root, $ARGV[0], 0) or die "open: $!";
  $| = 1;
  print "ready\\n";
  <STDIN>;
  my $flag = pack("L", 2);
  ioctl($root, 0x8004587D, $flag) or die "ioctl: $!";`

const bytes = 256 * 1024 * 1024

export interface CutOffDisk {
  /** The mount point. */
  readonly path: string
  /**
   * Prepares the cut, so that the cut itself comes at once. The cut settles when the disk accepts nothing any more.
   */
  readonly cutter: () => Promise<() => Promise<void>>
  /** Mounts it again, once nothing runs on it any more. */
  readonly mountAgain: () => void
  readonly remove: () => void
}

const run = (program: string, ...args: ReadonlyArray<string>) =>
  execFileSync(program, args, { stdio: "pipe" })

/** A new disk, or the reason why this machine cannot have one. */
export const makeCutOffDisk = (): CutOffDisk | string => {
  if (process.getuid?.() !== 0) return "this user may not mount a file system"
  const folder = mkdtempSync(join(tmpdir(), "shoal-cut-"))
  const image = join(folder, "image")
  const path = join(folder, "mounted")
  const mount = () => run("mount", "-o", "loop", image, path)
  try {
    mkdirSync(path)
    writeFileSync(image, "")
    truncateSync(image, bytes)
    run("mkfs.ext4", "-q", "-F", image)
    run("perl", "-e", "1")
    mount()
  } catch (error) {
    rmSync(folder, { recursive: true })
    return `this machine cannot mount an ext4 of its own: ${(error as Error).message.trim()}`
  }
  return {
    path,
    cutter: async () => {
      const child = spawn("perl", ["-e", shutDown, path], { stdio: ["pipe", "pipe", "inherit"] })
      const ended = new Promise<number | null>((resolve) => child.once("close", resolve))
      await new Promise((resolve) => child.stdout.once("data", resolve))
      return async () => {
        child.stdin.end("\n")
        const code = await ended
        if (code !== 0) throw new Error(`the disk could not be cut off: perl ended with ${code}`)
      }
    },
    mountAgain: () => {
      run("umount", path)
      mount()
    },
    remove: () => {
      run("umount", path)
      rmSync(folder, { recursive: true })
    }
  }
}
