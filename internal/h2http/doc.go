// Package h2http is where net/http's requests and responses meet the streams of
// package h2conn: how header fields are named on either side, and the client's
// half of an exchange, which [Client.RoundTrip] makes on one stream.
package h2http
