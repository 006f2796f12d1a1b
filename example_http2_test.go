package websocket_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/h2"
)

// A server whose WebSockets may come over HTTP/2. The handler is that of
// HTTP/1.1, which the port still speaks.
func ExampleAccept_http2() {
	srv := &http.Server{Addr: ":8443", Handler: http.HandlerFunc(echoServer)}
	if err := h2.ConfigureServer(srv, nil); err != nil {
		log.Fatal(err)
	}
	log.Fatal(srv.ListenAndServeTLS("cert.pem", "key.pem"))
}

// Without TLS both ends must know that HTTP/2 is spoken. Such a server is for
// clients and proxies of one's own; browsers don't do this.
func ExampleAccept_http2Plain() {
	srv := &http.Server{Handler: http.HandlerFunc(echoServer)}
	srv.Protocols = new(http.Protocols)
	srv.Protocols.SetHTTP1(true)
	srv.Protocols.SetUnencryptedHTTP2(true)
	if err := h2.ConfigureServer(srv, nil); err != nil {
		log.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go srv.Serve(l)
	defer srv.Close()

	url := "ws://" + l.Addr().String()
	for _, version := range []websocket.HTTPVersion{websocket.HTTP1, websocket.HTTP2} {
		c, err := websocket.Dial(context.Background(), url, &websocket.DialOptions{HTTP: version})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("HTTP", c.HTTPVersion())
		c.Close(websocket.StatusNormalClosure, "")
	}
	// Output:
	// HTTP 1
	// HTTP 2
}

// The server chooses: HTTP/2 where it allows WebSockets over it, else HTTP/1.1
// on a connection of its own.
func ExampleDialOptions_http2() {
	ts := http2Server(http.HandlerFunc(echoServer))
	defer ts.Close()
	ctx, url := context.Background(), ts.URL
	roots := ts.Client().Transport.(*http.Transport).TLSClientConfig

	c, err := websocket.Dial(ctx, url, &websocket.DialOptions{
		HTTP:      websocket.HTTPAuto,
		TLSConfig: roots,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close(websocket.StatusNormalClosure, "")
	fmt.Println("HTTP", c.HTTPVersion())
	// Output: HTTP 2
}

// Ninety-nine sockets and an ordinary request share one connection.
func ExamplePool() {
	var clients sync.Map
	ts := http2Server(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		clients.Store(r.RemoteAddr, true)
		if r.Method == http.MethodGet {
			io.WriteString(w, "history")
			return
		}
		echoServer(w, r)
	}))
	defer ts.Close()
	ctx, url := context.Background(), ts.URL
	roots := ts.Client().Transport.(*http.Transport).TLSClientConfig

	pool := websocket.Pool{Options: &websocket.DialOptions{TLSConfig: roots}}
	defer pool.Close()
	o := &websocket.DialOptions{HTTP: websocket.HTTP2, Pool: &pool, TLSConfig: roots}
	for range 99 {
		c, err := websocket.Dial(ctx, url, o)
		if err != nil {
			log.Fatal(err)
		}
		defer c.Close(websocket.StatusNormalClosure, "")
	}
	res, err := (&http.Client{Transport: &pool}).Get(url)
	if err != nil {
		log.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)

	fmt.Println(string(body), err)
	n := 0
	clients.Range(func(any, any) bool { n++; return true })
	fmt.Println("connections:", n)
	// Output:
	// history <nil>
	// connections: 1
}

// http2Server serves handler over TLS, with HTTP/2.
func http2Server(handler http.Handler) *httptest.Server {
	ts := httptest.NewUnstartedServer(handler)
	if err := h2.ConfigureServer(ts.Config, nil); err != nil {
		log.Fatal(err)
	}
	ts.TLS = ts.Config.TLSConfig
	ts.StartTLS()
	return ts
}
