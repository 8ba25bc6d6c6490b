# frozen_string_literal: true

# Does what each line of stdin asks, by clients/jqjobs.rb; see test_clients.py.

file, url, meta = ARGV
require file

jq = Jqjobs::Client.new(url, timeout: 2, meta: meta && -> { JSON.parse(meta) })

run = lambda do |verb:, queue: nil, envelope: nil, envelopes: nil, answer: nil, batch: nil, options: nil, count: nil|
  case verb
  when "enqueue" then { id: jq.enqueue(queue, **envelope) }
  when "enqueue_many" then { ids: jq.enqueue_many(queue, envelopes) }
  when "open_batch" then { opened: jq.open_batch(batch, **options) }
  when "close_batch" then { closed: jq.close_batch(batch, count) }
  when "close" then { closed: jq.close }
  else
    to, token = answer.values_at(:resolve, :token)
    next { answered: jq.fail(queue, to, token, answer[:error]) } if answer.key?(:error)

    { answered: jq.resolve(queue, to, token, answer[:result]) }
  end
end

$stdout.sync = true
while (line = $stdin.gets)
  said =
    begin
      run.call(**JSON.parse(line, symbolize_names: true))
    rescue Jqjobs::InvalidEnvelope => e
      { refused: e.code }
    rescue Jqjobs::NotStored => e
      { (e.is_a?(Jqjobs::NoAnswer) ? :no_answer : :not_stored) => e.message, ids: e.envelopes.map { |one| one[:id] } }
    end
  puts JSON.generate(said)
end
