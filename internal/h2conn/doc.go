// Package h2conn moves the bytes of an HTTP/2 connection: one goroutine reads,
// whoever finds nobody writing writes for all. Its streams wait, with deadlines,
// and carry requests, answers and WebSockets. The rules are package h2's.
package h2conn
