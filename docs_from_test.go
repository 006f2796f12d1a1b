package websocket_test

import (
	"regexp"
	"strings"
	"testing"
)

// What the other systems have, by the names of their manuals: functions, options,
// messages, callbacks, errors. A page that shows a system beside this one says of
// each what it is here, or that it is not.
func TestDocsFromPagesMapEverything(t *testing.T) {
	for page, names := range map[string]string{
		"docs/topics/from-cowboy.md": `
			init websocket_init websocket_handle websocket_info terminate
			ok reply close stop hibernate active deflate set_options shutdown_reason ping pong text binary
			active_n compress data_delivery data_delivery_flow deflate_opts level mem_level strategy
			server_context_takeover client_context_takeover server_max_window_bits client_max_window_bits
			dynamic_buffer idle_timeout max_frame_size req_filter validate_utf8
			normal timeout remote badencoding badframe badsize closed crash
			enable_connect_protocol max_concurrent_streams`,
		"docs/topics/from-gun.md": `
			open open_unix set_owner ping shutdown close info
			get head options patch post put delete headers request data connect
			await await_body await_up flush update_flow cancel stream_info ws_upgrade ws_send
			gun_up gun_tunnel_up gun_down gun_notify gun_upgrade gun_error
			gun_push gun_inform gun_response gun_data gun_trailers gun_ws
			connect_destination host port username password protocols transport tls_opts tls_handshake_timeout
			http_opts closing_timeout cookie_ignore_informational flow keepalive max_headers max_header_block_size
			max_trailer_block_size transform_header_name version
			http2_opts keepalive_tolerance notify_settings_changed connection_window_margin_size
			connection_window_update_threshold enable_connect_protocol initial_connection_window_size
			initial_stream_window_size max_concurrent_streams max_connection_window_size max_decode_table_size
			max_encode_table_size max_fragmented_header_block_size max_frame_size_received max_frame_size_sent
			max_stream_window_size preface_timeout settings_timeout stream_window_data_threshold
			stream_window_margin_size stream_window_update_threshold
			connect_timeout cookie_store domain_lookup_timeout retry retry_fun retry_timeout supervise tcp_opts
			send_timeout send_timeout_close trace ws_opts event_handler
			raw_opts req_headers invalid_request_headers reply_to tunnel socks_opts auth stream_ref
			compress compat default_protocol max_frame_size silence_pings user_opts
			gun_ws_protocol init handle gun_event domain_lookup_start domain_lookup_end connect_start connect_end
			tls_handshake_start tls_handshake_end request_start request_headers request_end push_promise_start
			push_promise_end response_start response_inform response_headers response_trailers response_end
			ws_recv_frame_start ws_recv_frame_header ws_recv_frame_end ws_send_frame_start ws_send_frame_end
			protocol_changed origin_changed disconnect terminate
			owner socket sock_ip sock_port origin_scheme origin_host origin_port intermediaries
			gun_cookies query set_cookie_secure_match set_cookie_get_exact_match store gc session_gc domain_match
			path_match gun_cookies_list gun_pool`,
		"docs/topics/from-mint-websocket.md": `
			upgrade new encode decode stream recv stream_request_body extensions mode eof
			text binary ping pong close
			name init params opts state PerMessageDeflate zlib_level zlib_memory_level client_max_window_bits
			server_max_window_bits client_no_context_takeover server_no_context_takeover
			WebSocketError UpgradeFailureError extended_connect_disabled connection_not_upgraded invalid_nonce
			extension_not_negotiated payload_too_large unsupported_opcode malformed_payload_length
			invalid_close_payload malformed_reserved invalid_utf8 unexpected_continuation insular_continuation
			cannot_combine_frames
			connect hostname transport_opts protocols proxy proxy_headers log client_settings case_sensitive_headers
			skip_target_validation optional_responses protocol open request open_request_count set_mode
			controlling_process put_private get_private delete_private get_socket put_log get_proxy_headers
			get_send_window next_body_chunk_size is_connection_message cancel_request get_server_setting
			put_settings get_client_setting get_window_size set_window_size
			status status_reason headers data done error push_promise
			closed closed_for_writing request_body_is_streaming too_many_concurrent_requests unexpected_data
			exceeds_window_size unprocessed server_closed_request server_closed_connection`,
		"docs/topics/from-gundam.md": `
			start_link send_message state url headers connect_timeout cookie_store domain_lookup_timeout http_opts
			http2_opts protocols retry retry_fun retry_timeout supervise tcp_opts tls_handshake_timeout tls_opts
			trace transport ws_opts closing_timeout compress default_protocol flow keepalive silence_pings user_opts
			on_connect on_message on_close on_error on_disconnect
			uri open_opts code message reason`,
	} {
		text := readString(t, page)
		for _, name := range strings.Fields(names) {
			if !regexp.MustCompile(`\b` + name + `\b`).MatchString(text) {
				t.Errorf("%s does not say what %s is here", page, name)
			}
		}
	}
}
