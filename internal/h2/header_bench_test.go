package h2

import "testing"

// headerBrowser is what a browser asks for a page.
func headerBrowser(path string) *Head {
	return &Head{
		Method: "GET", Scheme: "https", Authority: "www.example.com", Path: path, ContentLength: -1,
		Fields: []Field{
			{Name: "sec-ch-ua", Value: `"Chromium";v="140", "Not=A?Brand";v="24", "Google Chrome";v="140"`},
			{Name: "sec-ch-ua-mobile", Value: "?0"},
			{Name: "sec-ch-ua-platform", Value: `"Linux"`},
			{Name: "upgrade-insecure-requests", Value: "1"},
			{Name: "user-agent", Value: "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"},
			{Name: "accept", Value: "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7"},
			{Name: "sec-fetch-site", Value: "none"},
			{Name: "sec-fetch-mode", Value: "navigate"},
			{Name: "sec-fetch-user", Value: "?1"},
			{Name: "sec-fetch-dest", Value: "document"},
			{Name: "accept-encoding", Value: "gzip, deflate, br, zstd"},
			{Name: "accept-language", Value: "en-GB,en;q=0.9,de;q=0.8"},
			{Name: "cookie", Value: "session=0123456789abcdef0123456789abcdef"},
			{Name: "priority", Value: "u=0, i"},
		},
	}
}

// headerAnswer is an answer to it.
func headerAnswer(date string) *Head {
	return &Head{
		Status: 200, ContentLength: 5120,
		Fields: []Field{
			{Name: "content-type", Value: "text/html; charset=utf-8"},
			{Name: "date", Value: date},
			{Name: "cache-control", Value: "max-age=0, must-revalidate"},
			{Name: "etag", Value: `"5f3c-1a2b3c"`},
			{Name: "vary", Value: "accept-encoding"},
		},
	}
}

var headerPaths = [...]string{"/", "/style.css", "/script.js", "/images/logo.png", "/api/items?page=2", "/favicon.ico", "/chat", "/about"}

func BenchmarkHeader(b *testing.B) {
	var requests, responses [len(headerPaths)]*Head
	for i, p := range headerPaths {
		requests[i], responses[i] = headerBrowser(p), headerAnswer("Sat, 21 Nov 2026 06:00:0"+string(rune('0'+i))+" GMT")
	}
	encode := func(b *testing.B, f func(*encoder, []byte, int) []byte) {
		var e encoder
		e.init()
		dst := make([]byte, 0, 4096)
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			dst = f(&e, dst[:0], i%len(headerPaths))
		}
	}
	decode := func(b *testing.B, mode blockMode, f func(*encoder, []byte, int) []byte) {
		var e encoder
		e.init()
		var d decoder
		d.init(RoleServer, &Config{})
		// The first block fills the table; the paths of the others do not fit
		// beside each other, so that each round is as the one before.
		var blocks [][]byte
		for i := range len(headerPaths) {
			blocks = append(blocks, f(&e, nil, i))
		}
		run := func(p []byte) {
			d.begin(mode)
			if err := d.write(p); err != nil {
				b.Fatal(err)
			}
			if _, bad, err := d.finish(); bad != "" || err != nil {
				b.Fatal(bad, err)
			}
		}
		for _, p := range blocks {
			run(p)
		}
		p := f(&e, nil, 0)
		b.ReportAllocs()
		for b.Loop() {
			run(p)
		}
	}
	request := func(e *encoder, dst []byte, i int) []byte { return e.request(dst, requests[i]) }
	response := func(e *encoder, dst []byte, i int) []byte { return e.response(dst, responses[i]) }
	b.Run("encode request", func(b *testing.B) { encode(b, request) })
	b.Run("encode response", func(b *testing.B) { encode(b, response) })
	b.Run("decode request", func(b *testing.B) { decode(b, modeRequest, request) })
	b.Run("decode response", func(b *testing.B) { decode(b, modeResponse, response) })
}
