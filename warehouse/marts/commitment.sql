-- model.contract, model.repriced_daily -> mart.commitment: what was promised to a provider, and what of it is used
SELECT
    contract.contract,
    contract.provider,
    contract.valid_from,
    contract.valid_to,
    contract.committed_usd,
    coalesce(sum(spent.contracted_cost_usd), 0)::DECIMAL(38,12) AS contracted_cost_usd,
    greatest(contract.committed_usd - coalesce(sum(spent.contracted_cost_usd), 0), 0)::DECIMAL(38,12) AS unused_usd
FROM model.contract AS contract
LEFT JOIN model.repriced_daily AS spent
    ON spent.contract = contract.contract AND spent.day >= contract.valid_from AND spent.day < contract.valid_to
WHERE contract.committed_usd IS NOT NULL
GROUP BY contract.contract, contract.provider, contract.valid_from, contract.valid_to, contract.committed_usd
