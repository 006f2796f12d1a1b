package h2_test

import (
	"net"
	"net/http"
	"sync/atomic"
	"testing"
)

// A ConnState that closes the connection when its first request comes.
func TestAttackHookCloses(t *testing.T) {
	each(t, func(t *testing.T, tr string) {
		var calls atomic.Int32
		returned := make(chan struct{}, 10)
		h := start(t, setup{transport: tr, server: func(s *http.Server) {
			s.ConnState = func(nc net.Conn, st http.ConnState) {
				if st == http.StateActive && calls.Add(1) > 1 { // the first is of the connection
					nc.Close()
					returned <- struct{}{}
				}
			}
		}}, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
		c := h.raw(t)
		c.nc.Write(ask(1, false))
		wait(t, returned)
		c.ending()
	})
}
