// Reads a role's metrics in Prometheus' text form: one number for the series of a name with given labels, summed over
// several series.

/** The sum of all series of `name` that have these labels. */
export const sumOf = (text: string, name: string, labels: Readonly<Record<string, string>>): number =>
  text
    .split("\n")
    .filter((line) => line.startsWith(`${name}{`))
    .filter((line) => Object.entries(labels).every(([key, value]) => line.includes(`${key}="${value}"`)))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf("} ") + 2)), 0)

/** The metrics of the role that listens at "host:port". */
export const metricsOf = async (address: string): Promise<string> => {
  const response = await fetch(`http://${address}/metrics`)
  if (!response.ok) throw new Error(`http://${address}/metrics answers ${response.status}`)
  return response.text()
}
