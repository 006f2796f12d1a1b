package interop_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/lariat-go/websocket"
	"github.com/lariat-go/websocket/client"
)

// chains are lists of proxies that package client passes one after another.
func chains() []chain {
	return []chain{
		{"CONNECT then SOCKS5", func(t *testing.T) []*hop {
			return []*hop{startTinyproxy(t, false), startMicrosocks(t, true)}
		}},
		{"SOCKS5 then CONNECT over TLS", func(t *testing.T) []*hop {
			return []*hop{startMicrosocks(t, false), startSquid(t, true).behindTLS(t)}
		}},
		{"three", func(t *testing.T) []*hop {
			return []*hop{startSquid(t, false).behindTLS(t), startTinyproxy(t, true), startMicrosocks(t, true)}
		}},
	}
}

type chain struct {
	name  string
	start func(t *testing.T) []*hop
}

// Package client through chains of proxies, with passwords and TLS on the way, to
// servers with and without TLS, over HTTP/1.1 and HTTP/2.
func TestChains(t *testing.T) {
	peers(t)
	for _, chain := range chains() {
		t.Run(chain.name, func(t *testing.T) {
			t.Parallel()
			ways := chain.start(t)
			for _, g := range targets() {
				t.Run(g.String(), func(t *testing.T) {
					g.server = newHTTP2Server(t, g.secure, false, takeover(), pages())
					r := &route{addr: strings.TrimSuffix(g.address(), "/"), options: client.Options{TLSConfig: g.roots(ways...), Proxies: through(ways...)}}
					if g.version == websocket.HTTP1 {
						r.test1(t)
					} else {
						r.test2(t)
					}
					g.wait(t)
					for i, h := range ways {
						next := g.addr()
						if i+1 < len(ways) {
							next = ways[i+1].addr
						}
						h.wantPassed(t, next)
					}
				})
			}
			t.Run("wrong password", func(t *testing.T) { testChainRefuses(t, ways) })
		})
	}
}

// through are the options for proxies.
func through(ways ...*hop) (list []client.Proxy) {
	for _, h := range ways {
		list = append(list, client.Proxy{URL: h.url().String()})
	}
	return list
}

// testChainRefuses has the last proxy that wants a password refuse. The client
// says which one it was, and gives up; the server hears of nothing.
func testChainRefuses(t *testing.T, ways []*hop) {
	g := target{version: websocket.HTTP1}
	g.server = newServer(t, false, false, takeover(), nil)
	proxies := through(ways...)
	last := len(ways) - 1
	proxies[last].URL = ways[last].as(url.UserPassword("carol", "other")).String()
	c, err := client.Open(g.addr(), &client.Options{Proxies: proxies, TLSConfig: g.roots(ways...), Retry: -1})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = c.AwaitUp(t.Context())
	_, ok := errors.AsType[*client.GaveUpError](err)
	refusal, is := errors.AsType[*websocket.DialError](err)
	if !ok || !is || refusal.Step != websocket.StepProxy || refusal.Addr != ways[last].addr {
		t.Fatalf("up: %v", err)
	}
	if ways[last].scheme == "https" && refusal.Status != http.StatusProxyAuthRequired {
		t.Errorf("status %d", refusal.Status)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.requests) != 0 {
		t.Errorf("the server saw %v", g.requests)
	}
}
