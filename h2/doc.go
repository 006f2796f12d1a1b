// Package h2 serves HTTP/2 with a server of net/http: requests to ordinary
// handlers, and WebSockets by extended CONNECT (RFC 8441).
//
//	srv := &http.Server{Addr: ":443", Handler: mux}
//	if err := h2.ConfigureServer(srv, nil); err != nil {
//		log.Fatal(err)
//	}
//	log.Fatal(srv.ListenAndServeTLS("cert.pem", "key.pem"))
//
// A handler that calls websocket.Accept, or a Server of package server, then
// takes WebSockets over HTTP/2 as it does over HTTP/1.1. A browser opens one so
// when it has an HTTP/2 connection to the origin already: the page that has the
// script was enough.
//
// Without TLS, HTTP/2 is spoken with clients that know that they can:
//
//	srv.Protocols = new(http.Protocols)
//	srv.Protocols.SetHTTP1(true)
//	srv.Protocols.SetUnencryptedHTTP2(true)
//
// Nothing outside of the given server is changed, and no GODEBUG is needed.
//
// # Handlers
//
// Each request runs its handler in a goroutine of its own, with what net/http
// documents: bodies with back-pressure in both directions, Flush, trailers,
// interim answers, 100-continue when the body is read, deadlines of
// [http.ResponseController], a context that ends with the request. There is no
// server push, and no Hijack.
//
// Routes need a word: a WebSocket over HTTP/2 is a CONNECT, not a GET. The
// pattern of an [http.ServeMux] for one is "/chat", not "GET /chat".
//
// What a handler writes is gathered until it is a frame of 16 KiB, until Flush,
// or until the handler returns. An answer whose Content-Length was declared
// ends with its last byte. If a handler writes less than it declared, the
// stream is reset.
//
// # The server's fields
//
// Of [http.Server], these count: Handler, MaxHeaderBytes (32 KiB if it is not
// set), ReadTimeout and WriteTimeout for each request, ReadHeaderTimeout for the
// beginning of a connection, IdleTimeout, ConnState, ErrorLog, BaseContext,
// ConnContext, Protocols, and HTTP2 but for its table sizes and CountError.
// SetKeepAlivesEnabled does not: send "Connection: close" with an answer to have
// the connection end when its requests have.
//
// # Ending
//
// http.Server.Shutdown sends GOAWAY on every connection, and waits until its
// streams have ended (RFC 9113, section 6.8). WebSockets are streams, and are
// closed with 1001 then; the Shutdown of package server spreads that over a
// time, if it is called first. http.Server.Close cuts all of them.
//
// # Tests
//
// A server of net/http/httptest has NextProtos of its own; hand it those made
// here, and say to its client that it may use HTTP/2:
//
//	ts := httptest.NewUnstartedServer(handler)
//	err := h2.ConfigureServer(ts.Config, nil)
//	ts.TLS = ts.Config.TLSConfig
//	ts.EnableHTTP2 = true
//	ts.StartTLS()
package h2
