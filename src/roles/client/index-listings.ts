// The listings of build-indexes for agents and proxies: tags, repositories, referrers and a tag's history, requested
// every time; and the error that a registry's client gets when a build-index fails.

import { Effect } from "effect"
import { type ImageSource, ImageUnavailable, ImageUnknown } from "../registry/image-source.ts"
import type { BuildIndexClient, BuildIndexError } from "./build-index-client.ts"

export const indexFailed =
  (what: "manifest" | "repository") =>
  (error: BuildIndexError): ImageUnknown | ImageUnavailable =>
    error._tag === "TagUnknown"
      ? new ImageUnknown({ what, message: error.message })
      : new ImageUnavailable({ message: error.message })

export const indexListings = (
  buildIndex: BuildIndexClient
): Pick<ImageSource, "referrers" | "history" | "tags" | "repositories"> => ({
  referrers: (repository, subject, page, artifactType) =>
    Effect.mapError(
      buildIndex.referrers(repository, subject, page, artifactType),
      ({ message }) => new ImageUnavailable({ message })
    ),
  history: (repository, tag) => Effect.mapError(buildIndex.history(repository, tag), indexFailed("manifest")),
  tags: (repository, page) => Effect.mapError(buildIndex.tags(repository, page), indexFailed("repository")),
  repositories: (page) => Effect.mapError(buildIndex.repositories(page), indexFailed("repository"))
})
