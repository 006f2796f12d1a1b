// Command bench puts the same work on this library, on five other WebSocket
// libraries of Go and on a bare TCP echo, and prints what the server's CPU,
// memory and wire bytes were. README.md says how to run it and what each row
// means.
package main
