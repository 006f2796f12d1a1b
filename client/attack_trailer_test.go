package client_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/lariat-go/websocket/client"
)

// H-C6: a trailer that is too large is an error, in either version: a response
// without the trailer that it had would be another one.
func TestAttackLargeTrailer(t *testing.T) {
	var text1, text2 strings.Builder
	for i := range 200 {
		fmt.Fprintf(&text1, "x-%03d: y\r\n", i)
		fmt.Fprintf(&text2, "\x00\x05x-%03d\x01y", i)
	}
	for p, ln := range map[client.Protocol]func(t *testing.T) *client.Options{
		client.HTTP1: func(t *testing.T) *client.Options {
			return &client.Options{Dial: newVillain(t, func(v *villain) {
				if _, err := v.request(); err == nil {
					v.say("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n%s\r\n", text1.String())
				}
				v.idle()
			}).Dial}
		},
		client.HTTP2: func(t *testing.T) *client.Options {
			return &client.Options{Protocols: []client.Protocol{client.HTTP2}, Dial: newVillain2(t, nil, func(v *villain2) {
				v.serve(func(stream uint32) {
					v.send(headers2, endHeaders2, stream, ok2)
					v.send(data2, 0, stream, "body")
					v.send(headers2, endHeaders2|endStream2, stream, text2.String())
				})
			}).Dial}
		},
	} {
		t.Run(p.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, err := client.Open("192.0.2.1:80", ln(t))
				if err != nil {
					t.Fatal(err)
				}
				defer c.Close()
				r, _ := http.NewRequestWithContext(t.Context(), "GET", "/", nil)
				res, err := c.RoundTrip(r)
				if err != nil {
					t.Fatal(err)
				}
				defer res.Body.Close()
				if body, err := io.ReadAll(res.Body); err == nil {
					t.Errorf("%q, %d trailers, and no error", body, len(res.Trailer))
				}
			})
		})
	}
}
