// The environment in which instrumented sources run, by which they and the setup file of the tests agree on where the
// numbers of reached blocks go. Processes that a test starts inherit it.

/** Names the folder for the numbers. */
export const folderVariable = "MUTATION_REACH_FOLDER"

/** Number of the test file that runs; unset while modules load. */
export const testVariable = "MUTATION_REACH_TEST"

/** The test files as a JSON list of paths: a file's place in it is its number. */
export const testsVariable = "MUTATION_REACH_TESTS"
