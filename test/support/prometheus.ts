// The metrics of a role in a process of its own; testing/roles/metrics.ts reads their text.

/** The metrics of the role that listens at "host:port". */
export const metricsOf = async (address: string): Promise<string> => {
  const response = await fetch(`http://${address}/metrics`)
  if (!response.ok) throw new Error(`http://${address}/metrics answers ${response.status}`)
  return response.text()
}
