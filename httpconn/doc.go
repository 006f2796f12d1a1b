// Package httpconn is the client's side of an HTTP/1.1 or HTTP/2 connection
// without I/O.
package httpconn
