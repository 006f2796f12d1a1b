// Package h2http is where net/http's requests and responses meet the heads of
// HTTP/2: how header fields are named on either side, what a request's head says,
// and which requests may be sent again. Package roundtrip makes the exchanges.
package h2http
