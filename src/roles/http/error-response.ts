// The HTTP response of an OCI error: its status, its headers and the error document as the body. All routes of all
// roles answer their failures with this function.

import { HttpServerResponse } from "effect/http"
import { type OciError, ociErrorText } from "../oci/oci-error.ts"

export const ociErrorResponse = (error: OciError): HttpServerResponse.HttpServerResponse =>
  HttpServerResponse.text(ociErrorText(error), {
    status: error.status,
    headers: error.headers,
    contentType: "application/json"
  })
