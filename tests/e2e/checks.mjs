// A run of named checks, in order, each reported as one JSON line: {"check": name, "error": text or null}.
// Later checks build on what earlier ones made, so a run goes on after a failure only to say what else breaks.
export async function run(checks) {
  let failed = 0
  for (const [check, body] of Object.entries(checks)) {
    let error = null
    try {
      await body()
    } catch (thrown) {
      failed += 1
      error = `${thrown?.error ?? thrown?.name}: ${thrown?.message}\n${thrown?.stack?.split('\n').slice(1, 4).join('\n')}`
    }
    console.log(JSON.stringify({ check, error }))
  }
  process.exitCode = failed === 0 ? 0 : 1
}

export async function refusal(promise) {
  try {
    await promise
  } catch (thrown) {
    return { status: thrown.status, error: thrown.error, message: thrown.message }
  }
  throw new Error('was not refused')
}
