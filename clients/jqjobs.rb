# frozen_string_literal: true

require "json"
require "openssl"
require "securerandom"
require "socket"
require "uri"

# A producer for jqjobs: puts jobs, and answers for jobs that wait, into the inbox of a queue.
#
# One file, nothing but Ruby 3.0 or newer. It knows LPUSH, ZADD and SADD, and AUTH and SELECT at the start, all of which
# answer with one line. A client may be shared by threads: one call at a time goes over its connection, which is opened at
# the first call, and anew after it broke or the process forked.
#
#     jq = Jqjobs::Client.new("redis://127.0.0.1:6379/0")
#     id = jq.enqueue("emails", job: "send_welcome", kwargs: { user_id: 42 })
#
# What an envelope may say; docs/protocol.md, "The envelope", says more of each key. One that is left out is the job's own.
#
#     job: String                                    args: Array        kwargs: Hash        meta: Hash
#     id: String (made here when it is left out)     priority: Integer  delay_ms: Integer   due_ms: Integer
#     key: String   coalesce: "queued" | "unfinished" | "stored"        replace: true | false
#     max_attempts: Integer   max_crashes: Integer   timeout_ms: Integer   expires_ms: Integer   keep_ms: Integer
#     tags: Array of String (up to 16 words to find it by)   group: String (takes turns with the other groups)
#     batch: String ("queue/id" of the batch that waits for the job)
#     then: Array of String (what begins when the job has succeeded: up to 16 envelopes as JSON)
module Jqjobs
  # The envelope is wrong, and was not sent. code: the one that the queue would refuse it with.
  class InvalidEnvelope < ArgumentError
    attr_reader :code

    def initialize(code, text)
      super("#{code}: #{text}")
      @code = code
    end
  end

  # Redis could not be reached, or refused. envelopes: what was not stored, with ids.
  class NotStored < StandardError
    attr_accessor :envelopes
  end

  # No answer came, so nobody knows. envelopes: what may be missing, with ids: sent again, none becomes two jobs as long as
  # the first has a record.
  class NoAnswer < NotStored; end

  class Client
    # @param url [String] redis://user:password@host:port/db, rediss:// or unix:///path?db=0; with ?prefix= and
    #   ?ssl_ca_certs= as in JQ_REDIS_URL, which is the default
    # @param timeout [Numeric] seconds that connecting, and each answer, may take
    # @param meta [Proc, nil] returns what each job's meta gets beside its own, such as the trace context: called once for
    #   each envelope
    def initialize(url = ENV.fetch("JQ_REDIS_URL", "redis://127.0.0.1:6379/0"), timeout: 5, meta: nil)
      @address = Address.parse(url)
      @timeout = timeout
      @meta = meta
      @lock = Mutex.new
    end

    # Store one job and wake a worker.
    # @return [String] the job's id
    # @raise [InvalidEnvelope, NotStored, NoAnswer]
    def enqueue(queue, **envelope)
      enqueue_many(queue, [envelope]).first
    end

    # Store jobs in as few round trips as they fit into, all checked before the first is sent.
    # @return [Array<String>] their ids
    # @raise [InvalidEnvelope, NotStored, NoAnswer]
    def enqueue_many(queue, envelopes)
      whole = envelopes.map { |envelope| complete(envelope.transform_keys(&:to_sym)) }
      sent = 0
      in_chunks(whole.map { |envelope| Check.encode(envelope) }) do |texts|
        push(queue, texts)
        sent += texts.size
      rescue NotStored => error
        error.envelopes = whole.drop(sent)
        raise
      end
      whole.map { |envelope| envelope[:id] }
    end

    # Answer for a job that waits: it has succeeded, with this result. token: what the job gave away.
    def resolve(queue, id, token, result = nil)
      push(queue, [Check.encode({ resolve: Check.name("id", id), token: token, result: result })])
    end

    # Answer for a job that waits: it has failed, and is tried again like after any failure.
    def fail(queue, id, token, error)
      push(queue, [Check.encode({ resolve: Check.name("id", id), token: token, error: error })])
    end

    # Open a batch, in the queue that its name begins with. Jobs with batch: may be enqueued before and after that.
    # batch: "queue/id", the id of 64 bytes at most. options: then: and always: (Arrays of envelopes as JSON),
    # on_dead: "wait" | "cancel" | "go", keep_ms: Integer.
    def open_batch(batch, **options)
      Check.fields(options, %i[then always on_dead keep_ms])
      push(Check.home(batch), [Check.encode({ open: batch, **options })])
    end

    # Close a batch: it is over when all its members have ended. count: how many jobs were enqueued with it.
    def close_batch(batch, count)
      Check.fields({ count: count }, %i[count])
      push(Check.home(batch), [Check.encode({ close: batch, count: count })])
    end

    def close
      @lock.synchronize { drop }
    end

    private

    def complete(envelope)
      Check.envelope(envelope)
      meta = { **(@meta&.call || {}).transform_keys(&:to_sym), **envelope.fetch(:meta, {}).transform_keys(&:to_sym) }
      whole = { **envelope, id: envelope.fetch(:id) { SecureRandom.hex(10) } }
      meta.empty? ? whole : { **whole, meta: meta }
    end

    def in_chunks(texts)
      bytes = 0
      texts.slice_when { |text, _| (bytes += text.bytesize) >= Check::MOST_BYTES && (bytes = 0) }.each { |some| yield some }
    end

    def push(queue, texts)
      key = "#{@address.prefix}:{#{Check.name("queue", queue)}}"
      stored, = @lock.synchronize do
        connection.call(["LPUSH", "#{key}:inbox", *texts], ["ZADD", "#{key}:wake", "0", "1"],
                        ["SADD", "#{@address.prefix}:{~}:queues", queue])
      rescue NoAnswer
        drop
        raise
      end
      # The others are only hints: without them the jobs are found within a second, and a new queue within minutes.
      raise NotStored, "Redis refused: #{stored.delete_prefix("-")}" if stored.start_with?("-")
    end

    def connection
      drop unless @pid == Process.pid && @connection&.open?
      @pid = Process.pid
      @connection ||= Connection.new(@address, @timeout)
    end

    def drop
      @connection&.close
      @connection = nil
    end
  end

  # One socket.
  # @api private
  class Connection
    def initialize(address, timeout)
      @timeout = timeout
      @unread = +""
      @io = address.connect(timeout)
      refused = call(*address.greeting).find { |reply| reply.start_with?("-") }
      raise NotStored, "Redis refused: #{refused.delete_prefix("-")}" if refused
    rescue SystemCallError, SocketError, IOError, OpenSSL::SSL::SSLError => error
      raise NotStored, "Redis cannot be reached: #{error.message}"
    end

    # Whether nothing has come that nobody asked for, such as the end.
    def open?
      @io.read_nonblock(1, exception: false) == :wait_readable
    rescue SystemCallError, IOError, OpenSSL::SSL::SSLError
      false
    end

    def close
      # Not by TLS: that would end it for the process that we were forked from, too.
      @io.to_io.close
    end

    # Send commands and return their replies, "-ERR …" among them.
    def call(*commands)
      deadline = now + @timeout
      write(commands.map { |words| pack(words) }.join, deadline)
      commands.map { line(deadline) }
    rescue SystemCallError, IOError, OpenSSL::SSL::SSLError => error
      raise NoAnswer, "Redis did not answer: #{error.message}"
    end

    private

    def write(bytes, deadline)
      until bytes.empty?
        sent = patiently(deadline) { @io.write_nonblock(bytes, exception: false) }
        bytes = bytes.byteslice(sent..)
      end
    end

    def line(deadline)
      until (line = @unread.slice!(/\A[^\r]*\r\n/))
        @unread << (patiently(deadline) { @io.read_nonblock(65_536, exception: false) } || raise(EOFError, "it hung up"))
      end
      line.chomp.force_encoding(Encoding::UTF_8)
    end

    def patiently(deadline)
      while (done = yield).is_a?(Symbol)
        left = [deadline - now, 0].max
        ready = done == :wait_readable ? @io.to_io.wait_readable(left) : @io.to_io.wait_writable(left)
        raise Errno::ETIMEDOUT, "#{@timeout} s" unless ready
      end
      done
    end

    # A command as Redis reads it; lengths are in bytes.
    def pack(words)
      words.reduce("*#{words.size}\r\n".b) { |packed, word| packed << "$#{word.bytesize}\r\n".b << word.b << "\r\n" }
    end

    def now = Process.clock_gettime(Process::CLOCK_MONOTONIC)
  end

  # Where a Redis is, and who we are there.
  # @api private
  class Address
    FORM = %r{\A(?<scheme>rediss?|valkeys?|unix)://(?:(?<login>[^@/?\#]*)@)?(?<rest>[^@?\#]*)(?:\?(?<query>[^@\#]*))?\z}
    HOST = %r{\A(?<host>\[[^\]]*\]|[^:/]*)(?::(?<port>\d+))?(?:/(?<db>\d*))?\z}
    PREFIX = /\A[A-Za-z0-9][A-Za-z0-9_.:-]{0,30}[A-Za-z0-9_.-]?\z/
    OPTIONS = %w[db prefix ssl_ca_certs].freeze

    attr_reader :prefix

    # The URL is not repeated in errors: it may hold a password.
    def self.parse(url)
      new(FORM.match(url) || raise(ArgumentError))
    rescue ArgumentError
      raise ArgumentError, "the Redis URL is none; percent-encode what its password has beside letters and digits",
            cause: nil
    end

    def initialize(parts)
      options = URI.decode_www_form(parts[:query] || "").to_h
      @user, @password = (parts[:login] || "").split(":", 2).map { |text| decode(text) }
      @prefix = options.fetch("prefix") { ENV.fetch("JQ_PREFIX", "jq") }
      raise ArgumentError unless (options.keys - OPTIONS).empty? && PREFIX.match?(@prefix)

      parts[:scheme] == "unix" ? @path = decode(parts[:rest]) : read_host(parts)
      @database = options["db"] || @database
      @authority = options["ssl_ca_certs"]
    end

    # What is said first on a connection.
    def greeting
      login = ["AUTH", @user, @password].reject { |word| word.to_s.empty? }
      [(login if @password), (["SELECT", @database] unless ["", "0", nil].include?(@database))].compact
    end

    def connect(timeout)
      return UNIXSocket.new(@path) if @path

      socket = Socket.tcp(@host, @port, connect_timeout: timeout)
      socket.setsockopt(Socket::IPPROTO_TCP, Socket::TCP_NODELAY, 1)
      @tls ? secure(socket) : socket
    end

    private

    def read_host(parts)
      found = HOST.match(parts[:rest]) || raise(ArgumentError)
      @host = found[:host].empty? ? "127.0.0.1" : found[:host].delete("[]")
      @port = (found[:port] || 6379).to_i
      @database = found[:db]
      @tls = %w[rediss valkeys].include?(parts[:scheme])
    end

    def secure(socket)
      context = OpenSSL::SSL::SSLContext.new
      context.set_params(@authority ? { ca_file: @authority } : {}) # verifies, unlike a context without
      secured = OpenSSL::SSL::SSLSocket.new(socket, context)
      secured.sync_close = true
      secured.hostname = @host unless @host.match?(/\A[\d.]+\z|:/)
      secured.connect
      secured.post_connection_check(@host)
      secured
    end

    def decode(text) = URI.decode_www_form_component(text.gsub("+", "%2B"))
  end

  # What the queue would refuse is refused here, so that a mistake is seen where it is made.
  # @api private
  module Check
    MOST_BYTES = 1_048_576 # of an envelope, and about of one LPUSH
    TEN_YEARS_MS = 316_224_000_000
    NUMBERS = {
      priority: -4096..4095, delay_ms: -TEN_YEARS_MS..TEN_YEARS_MS, due_ms: 0..9_007_199_254_740_991,
      max_attempts: 1..1_000_000, max_crashes: 1..1_000_000, timeout_ms: 1..TEN_YEARS_MS,
      expires_ms: 0..TEN_YEARS_MS, keep_ms: 1..TEN_YEARS_MS
    }.freeze
    OTHERS = {
      job: String.method(:===), id: String.method(:===), args: Array.method(:===), kwargs: Hash.method(:===),
      meta: Hash.method(:===), key: ->(value) { value.is_a?(String) && (1..256).cover?(value.bytesize) },
      coalesce: %w[queued unfinished stored].method(:include?), replace: [true, false].method(:include?),
      tags: ->(value) { value.is_a?(Array) && value.size <= 16 && value.all? { |tag| word?(tag, 64) } },
      group: ->(value) { word?(value, 128) }, batch: String.method(:===), then: ->(value) { steps?(value) },
      always: ->(value) { steps?(value) }, on_dead: %w[wait cancel go].method(:include?),
      count: ->(value) { value.is_a?(Integer) && (0..9_007_199_254_740_991).cover?(value) }
    }.freeze
    OF_JOBS = (NUMBERS.keys + OTHERS.keys - %i[always on_dead count]).freeze

    module_function

    def word?(word, most)
      word.is_a?(String) && word.bytesize <= most && word.b.match?(/\A[^\x00-\x20\x7f]+\z/n)
    end

    def steps?(steps)
      steps.is_a?(Array) && steps.size <= 16 && steps.all?(String) && steps.sum(&:bytesize) <= 65_536
    end

    # The queue in which a batch is kept.
    def home(batch)
      form = %r{\A([A-Za-z0-9][A-Za-z0-9_.-]{0,127})/[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\z}
      found = batch.is_a?(String) && form.match(batch)
      found ? found[1] : raise(InvalidEnvelope.new("bad_name", "#{batch.inspect} is no batch"))
    end

    def fields(given, keys)
      given.each do |key, value|
        next if keys.include?(key) && fine?(key, value)

        raise InvalidEnvelope.new("bad_field", "there is no #{key} #{value.inspect}")
      end
    end

    def flow(envelope)
      home(envelope[:batch].delete_prefix("+")) if envelope[:batch]
      return unless envelope[:batch] || envelope[:then]

      raise InvalidEnvelope.new("bad_field", "replace does not go with batch and then") if envelope[:replace]
      raise InvalidEnvelope.new("bad_name", "with batch or then id takes 64 bytes") if envelope[:id].to_s.bytesize > 64
    end

    def envelope(envelope)
      fields(envelope, OF_JOBS)
      raise InvalidEnvelope.new("no_job", "the job has no name") unless envelope[:job]

      name("job", envelope[:job])
      name("id", envelope[:id]) if envelope[:id]
      flow(envelope)
      return if envelope[:key] || !(envelope[:coalesce] || envelope[:replace])

      raise InvalidEnvelope.new("bad_field", "coalesce and replace go with a key")
    end

    def name(what, name)
      return name if name.is_a?(String) && name.match?(/\A[A-Za-z0-9][A-Za-z0-9_.-]{0,127}\z/)

      raise InvalidEnvelope.new("bad_name", "#{name.inspect} is no #{what}")
    end

    def encode(envelope)
      text = JSON.generate(envelope)
      text.bytesize <= MOST_BYTES ? text : raise(InvalidEnvelope.new("too_large", "more than 1 MiB"))
    end

    def fine?(key, value)
      range = NUMBERS[key]
      range ? value.is_a?(Integer) && range.cover?(value) : OTHERS.fetch(key) { return false }.call(value)
    end
  end
end
